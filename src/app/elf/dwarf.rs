//! The functions that a library's debug information (DWARF 2 to 5) declares. Bounded in units, types and time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, NativeEndian, Unit, UnitOffset,
    constants as dw,
};

use super::types::{Declaration, Kind, Type};
use super::{Elf, MOST_FUNCTIONS};

/// Compilation units of one library.
const MOST_UNITS: usize = 65_536;
/// Types within types: nobody calls deeper ones.
const DEEPEST: usize = 12;
/// Parameters of one function.
const MOST_PARAMETERS: usize = 64;
/// Bytes of a name.
const LONGEST_NAME: usize = 256;
/// For all of one library.
const LIMIT: Duration = Duration::from_secs(5);

type Slice<'a> = EndianSlice<'a, NativeEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// Why there are no declarations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DwarfError {
    /// Built without `-g`, or stripped.
    #[error("it has no debug information: build it with `cc -g`")]
    None,
    /// `-gz`.
    #[error("its debug information is compressed: build it with `cc -g -gz=none`")]
    Compressed,
    /// Too many units, or too slow.
    #[error("its debug information is too large")]
    TooLarge,
    /// Nonsense.
    #[error("its debug information is damaged: {0}")]
    Damaged(String),
}

impl From<gimli::Error> for DwarfError {
    fn from(error: gimli::Error) -> Self {
        DwarfError::Damaged(error.to_string())
    }
}

/// The declarations of the functions that are `wanted`, by name.
///
/// # Errors
/// See [`DwarfError`].
pub fn declarations(
    elf: &Elf<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<HashMap<String, Declaration>, DwarfError> {
    if elf.is_compressed() {
        return Err(DwarfError::Compressed);
    }
    if elf.section(".debug_info").is_empty() {
        return Err(DwarfError::None);
    }
    let load = |id: gimli::SectionId| -> Result<Slice<'_>, gimli::Error> {
        Ok(EndianSlice::new(elf.section(id.name()), NativeEndian))
    };
    let mut dwarf = Dwarf::load(load)?;
    dwarf.populate_abbreviations_cache(gimli::AbbreviationsCacheStrategy::Duplicates);
    Reader::new(&dwarf)?.declarations(wanted)
}

struct Reader<'d, 'a> {
    dwarf: &'d Dwarf<Slice<'a>>,
    units: Vec<Unit<Slice<'a>>>,
    until: Instant,
}

impl<'d, 'a> Reader<'d, 'a> {
    fn new(dwarf: &'d Dwarf<Slice<'a>>) -> Result<Self, DwarfError> {
        let until = Instant::now() + LIMIT;
        let mut units = Vec::new();
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            if units.len() == MOST_UNITS || Instant::now() > until {
                return Err(DwarfError::TooLarge);
            }
            units.push(dwarf.unit(header)?);
        }
        Ok(Self { dwarf, units, until })
    }

    fn declarations(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<HashMap<String, Declaration>, DwarfError> {
        let mut found = HashMap::new();
        for unit in &self.units {
            let mut entries = unit.entries();
            while let Some(entry) = entries.next_dfs()? {
                let Some(name) = self.function(unit, entry).filter(|name| wanted(name)) else {
                    continue;
                };
                if found.len() == MOST_FUNCTIONS || Instant::now() > self.until {
                    return Err(DwarfError::TooLarge);
                }
                let declaration = self.declaration(unit, entry)?;
                found.insert(name, declaration);
            }
            if Instant::now() > self.until {
                return Err(DwarfError::TooLarge);
            }
        }
        Ok(found)
    }

    /// The name of a function that others may call and whose body is in this unit.
    fn function(&self, unit: &Unit<Slice<'a>>, entry: &Entry<'a>) -> Option<String> {
        let is_set = |name| matches!(entry.attr_value(name), Some(AttributeValue::Flag(true)));
        if entry.tag() != dw::DW_TAG_subprogram
            || !is_set(dw::DW_AT_external)
            || is_set(dw::DW_AT_declaration)
        {
            return None;
        }
        // C++ has another symbol, Rust says the same one twice.
        let symbol = entry.attr_value(dw::DW_AT_linkage_name);
        symbol.map_or_else(|| self.name(unit, entry), |symbol| self.text(unit, symbol))
    }

    fn name(&self, unit: &Unit<Slice<'a>>, entry: &Entry<'a>) -> Option<String> {
        self.text(unit, entry.attr_value(dw::DW_AT_name)?)
    }

    fn text(&self, unit: &Unit<Slice<'a>>, value: AttributeValue<Slice<'a>>) -> Option<String> {
        let text = self.dwarf.attr_string(unit, value).ok()?;
        let text = text.slice().get(..LONGEST_NAME).unwrap_or(text.slice());
        // It may go to a terminal, or into a file.
        Some(String::from_utf8_lossy(text).replace(char::is_control, "?"))
    }

    fn declaration(
        &self,
        unit: &Unit<Slice<'a>>,
        function: &Entry<'a>,
    ) -> Result<Declaration, DwarfError> {
        let mut declaration = Declaration {
            returns: self.type_of(unit, function, 0),
            parameters: Vec::new(),
            is_variadic: false,
        };
        let mut entries = unit.entries_at_offset(function.offset())?;
        let _itself = entries.next_dfs()?;
        while entries.next_entry()? && entries.depth() > 0 {
            let Some(entry) = entries.current().filter(|entry| entry.depth() == 1) else {
                continue;
            };
            match entry.tag() {
                dw::DW_TAG_formal_parameter if declaration.parameters.len() < MOST_PARAMETERS => {
                    let parameter = (self.name(unit, entry), self.type_of(unit, entry, 0));
                    declaration.parameters.push(parameter);
                }
                dw::DW_TAG_unspecified_parameters => declaration.is_variadic = true,
                _ => {}
            }
        }
        Ok(declaration)
    }

    /// The type of a function, a parameter, or of what a type is made of; none written is void.
    fn type_of(&self, unit: &Unit<Slice<'a>>, entry: &Entry<'a>, depth: usize) -> Type {
        let found = match entry.attr_value(dw::DW_AT_type) {
            None => return Type::Void,
            Some(AttributeValue::UnitRef(offset)) => Some((unit, offset)),
            Some(AttributeValue::DebugInfoRef(offset)) => {
                let place = |unit: &'_ Unit<Slice<'a>>| offset.to_unit_offset(&unit.header);
                self.units.iter().find_map(|unit| place(unit).map(|offset| (unit, offset)))
            }
            Some(_) => None,
        };
        found
            .and_then(|(unit, offset)| self.read_type(unit, offset, depth))
            .unwrap_or(Type::Unknown)
    }

    fn read_type(
        &self,
        unit: &Unit<Slice<'a>>,
        offset: UnitOffset<usize>,
        depth: usize,
    ) -> Option<Type> {
        if depth == DEEPEST {
            return None;
        }
        let entry = unit.entry(offset).ok()?;
        let inner = || Box::new(self.type_of(unit, &entry, depth + 1));
        let name = || self.name(unit, &entry);
        let tagged =
            |tag: &str| name().map_or_else(|| tag.to_owned(), |name| format!("{tag} {name}"));
        let bytes = || entry.attr_value(dw::DW_AT_byte_size).and_then(|value| value.udata_value());
        Some(match entry.tag() {
            dw::DW_TAG_base_type => Type::Number {
                name: name()?,
                bytes: bytes()?,
                kind: kind(entry.attr_value(dw::DW_AT_encoding)?)?,
            },
            dw::DW_TAG_pointer_type => Type::Pointer(inner()),
            dw::DW_TAG_const_type => Type::Const(inner()),
            dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type | dw::DW_TAG_atomic_type => {
                *inner()
            }
            dw::DW_TAG_typedef => Type::Named(name()?, inner()),
            dw::DW_TAG_enumeration_type => Type::Enum { name: tagged("enum"), bytes: bytes()? },
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type => Type::Record(tagged("struct")),
            dw::DW_TAG_union_type => Type::Record(tagged("union")),
            dw::DW_TAG_subroutine_type => Type::Function,
            _ => return None,
        })
    }
}

fn kind(encoding: AttributeValue<Slice<'_>>) -> Option<Kind> {
    let AttributeValue::Encoding(encoding) = encoding else { return None };
    Some(match encoding {
        dw::DW_ATE_boolean => Kind::Bool,
        dw::DW_ATE_signed | dw::DW_ATE_signed_char => Kind::Signed,
        dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char | dw::DW_ATE_UTF => Kind::Unsigned,
        dw::DW_ATE_float => Kind::Float,
        _ => return None,
    })
}
