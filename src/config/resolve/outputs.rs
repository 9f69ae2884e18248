//! What a function gives back beside its return: names, in order, each with its kind.

use super::bind::Bond;
use super::target::Role;
use crate::ffi::signature::Slot;
use crate::ffi::value::Scalar;

/// One output.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// The parameter's.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number(Scalar),
    Text,
    Bytes,
    /// A string of the library's: or null.
    HandedText,
    /// Bytes of the library's: or null.
    HandedBytes,
}

impl Kind {
    /// Whether its bytes are to be read as a string.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Kind::Text | Kind::HandedText)
    }
}

/// Those of some parameters.
pub(super) fn outputs(bonds: &[Bond<'_>]) -> Vec<Output> {
    let output = |bond: &Bond<'_>| {
        let kind = match bond.role {
            Role::Output(slot) | Role::Input(slot, ..) => kind(slot)?,
            _ => return None,
        };
        Some(Output { name: bond.parameter.name.clone(), kind })
    };
    bonds.iter().filter_map(output).collect()
}

fn kind(slot: Slot) -> Option<Kind> {
    Some(match slot {
        Slot::Out(scalar) | Slot::InOut(scalar) => Kind::Number(scalar),
        Slot::Buffer { is_text: true, .. } => Kind::Text,
        Slot::Buffer { .. } => Kind::Bytes,
        Slot::PutText => Kind::HandedText,
        Slot::PutBytes => Kind::HandedBytes,
        _ => return None,
    })
}
