//! Whether the libraries of a configuration are what it says: each is loaded in a worker, with its constructors and its
//! `init`, and each prototype is held against the library's debug information.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use crate::app::elf::compare::differences;
use crate::app::elf::dwarf::{DwarfError, declarations};
use crate::app::elf::types::{Declaration, Type};
use crate::app::elf::{self, Elf};
use crate::child::start::start;
use crate::child::{Library, Priority};
use crate::config::Function;
use crate::config::function::Entry;
use crate::executor::advice::{advice, of_neighbours};
use crate::executor::{Resources, spec};
use crate::ffi::callee::{Given, Message};
use crate::ffi::prototype;
use crate::ffi::traits::Traits;
use crate::ffi::value::Scalar;

/// Workers at once.
const AT_ONCE: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// One line for each function that cannot be called, or not so.
    pub problems: Vec<String>,
    /// What could not be looked at.
    pub notes: Vec<String>,
    /// What a mode asks of a function that nobody promises, and what it endangers.
    pub advice: Vec<String>,
}

/// Loads the library of each of these functions, and compares its prototypes.
pub async fn verify(functions: &[Arc<Function>], resources: &Resources) -> Found {
    let mut found = Found::default();
    let files = read(functions, resources).await;
    let all = load_all(functions, resources).await;
    let traits = |loaded: &Result<Traits, _>| *loaded.as_ref().unwrap_or(&Traits::default());
    let pairs: Vec<_> =
        all.iter().map(|(function, loaded)| (&**function, traits(loaded))).collect();
    found.advice.extend(of_neighbours(&pairs));
    for (function, loaded) in all {
        let Some(file) = files.get(&function.library) else { continue };
        let place = format!("function `{}`: ", function.name);
        let (problems, notes) = match loaded {
            Err(message) => (vec![file.explain(&function, &message)], vec![]),
            Ok(traits) => {
                found.advice.extend(advice(&function, traits));
                file.compare(&function)
            }
        };
        found.problems.extend(problems.iter().map(|problem| format!("error: {place}{problem}")));
        found.notes.extend(notes.iter().map(|note| format!("{place}{note}")));
    }
    found
}

/// What the files say: reading debug information takes its time, and others are served meanwhile.
async fn read(functions: &[Arc<Function>], resources: &Resources) -> HashMap<PathBuf, File> {
    let (functions, libraries) = (functions.to_vec(), resources.libraries.clone());
    let read = move || {
        let mut files = HashMap::new();
        for Function { library, .. } in functions.iter().map(Arc::as_ref) {
            let file = || File::read(&functions, &libraries.get(library));
            files.entry(library.clone()).or_insert_with(file);
        }
        files
    };
    spawn_blocking(read).await.unwrap_or_default()
}

/// What each library says of its function, or why it cannot be loaded; in the order of the functions.
async fn load_all(
    functions: &[Arc<Function>],
    resources: &Resources,
) -> Vec<(Arc<Function>, Result<Traits, String>)> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut starts = JoinSet::new();
    for (index, function) in functions.iter().enumerate() {
        let (spec, permits) = (spec(function, resources), Arc::clone(&permits));
        starts.spawn(async move {
            let _permit = permits.acquire().await;
            let started = start(&spec, Priority::Normal, None).await;
            (index, started.map(|worker| worker.traits()).map_err(|failure| failure.message))
        });
    }
    let mut loaded = vec![Ok(Traits::default()); functions.len()];
    while let Some(joined) = starts.join_next().await {
        if let Ok((index, one)) = joined
            && let Some(place) = loaded.get_mut(index)
        {
            *place = one;
        }
    }
    functions.iter().cloned().zip(loaded).collect()
}

/// What it exports, and what it says of what is wanted.
type Asked = (Vec<String>, Result<HashMap<String, Declaration>, String>);

/// What one library's file says.
struct File {
    exported: Vec<String>,
    /// Why it is not to be called, though it may load.
    problem: Option<String>,
    declared: Result<HashMap<String, Declaration>, String>,
}

impl File {
    fn read(functions: &[Arc<Function>], library: &Library) -> Self {
        let wanted: Vec<String> = functions
            .iter()
            .filter(|function| function.library == library.path())
            .flat_map(|function| symbols(function))
            .collect();
        let problem = library.problem().map(str::to_owned);
        match Self::ask(library, &wanted) {
            Ok((exported, declared)) => Self { exported, problem, declared },
            Err(why) => Self { exported: Vec::new(), problem, declared: Err(why) },
        }
    }

    fn ask(library: &Library, wanted: &[String]) -> Result<Asked, String> {
        let file = library.open().map_err(|problem| problem.to_string())?;
        let bytes = elf::content(&file).map_err(|problem| problem.to_string())?;
        let elf = Elf::parse(&bytes).map_err(|problem| problem.to_string())?;
        let declared = declarations(&elf, |name| wanted.iter().any(|wanted| wanted == name));
        let declared = declared.map_err(|problem: DwarfError| problem.to_string());
        Ok((elf.functions(), declared))
    }

    /// What the worker said, with the library's path, and with the symbol that was probably meant.
    fn explain(&self, function: &Function, message: &str) -> String {
        // Reading beyond the end of a file is what ends a process so.
        if let Some(problem) = self.problem.as_ref().filter(|_| message.contains("SIGBUS")) {
            return problem.clone();
        }
        let path = function.library.display().to_string();
        let message =
            if message.contains(&path) { message.to_owned() } else { format!("{path}: {message}") };
        let missing = message.strip_prefix("no symbol ").and_then(|rest| rest.split(' ').next());
        match missing.and_then(|symbol| elf::closest(symbol, &self.exported)) {
            Some(close) => format!("{message}; did you mean `{close}`?"),
            None => message,
        }
    }

    /// Problems, and notes.
    fn compare(&self, function: &Function) -> (Vec<String>, Vec<String>) {
        let path = function.library.display();
        if let Some(problem) = &self.problem {
            return (vec![problem.clone()], vec![]);
        }
        let declared = match &self.declared {
            Ok(declared) => declared,
            Err(why) => {
                let note = format!("{path}: the prototype is not compared with the library: {why}");
                return (vec![], vec![note]);
            }
        };
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        for text in prototypes(function) {
            let Ok(prototype) = prototype::parse(&text) else { continue };
            let symbol = &prototype.name;
            match declared.get(symbol) {
                Some(declared) => {
                    let all = differences(&prototype, declared);
                    problems.extend(all.iter().map(|one| format!("{path}: {symbol}: {one}")));
                }
                // It comes from a library that this one needs.
                None if !self.exported.contains(symbol) => {}
                None => notes.push(format!(
                    "{path}: {symbol} is not compared with the library: its debug information does not declare it"
                )),
            }
        }
        problems.extend(self.takes_back(function, declared));
        (problems, notes)
    }

    /// `free` and `exit` take one pointer, or nothing.
    fn takes_back(
        &self,
        function: &Function,
        declared: &HashMap<String, Declaration>,
    ) -> Vec<String> {
        let Entry::Function(bound) = &function.entry else { return Vec::new() };
        let exit = bound.callee.opening.as_ref().and_then(|opening| opening.exit.as_ref());
        let taking = [("free", bound.callee.free.as_ref(), 1), ("exit", exit, 0)];
        let known = taking
            .into_iter()
            .filter_map(|(key, symbol, least)| Some((key, symbol?, declared.get(symbol?)?, least)));
        let wrong = known.filter(|(_, _, declared, least)| {
            let is_pointer =
                |found: &Type| matches!(found.bare(), Type::Pointer(_) | Type::Unknown);
            declared.parameters.len() < *least
                || declared.parameters.len() > 1
                || !declared.parameters.iter().all(|(_, found)| is_pointer(found))
        });
        let path = function.library.display();
        let told = |(key, symbol, _, _): (&str, &String, _, _)| {
            format!(
                "{path}: {symbol}: the file's function does not take one pointer, as `{key}` does"
            )
        };
        wrong.map(told).collect()
    }
}

/// The declarations that a function is called by.
fn prototypes(function: &Function) -> Vec<String> {
    match &function.entry {
        Entry::Handler { symbol, .. } => {
            vec![format!("int {symbol}(cof_request *request, cof_response *response)")]
        }
        Entry::Function(bound) => {
            let message = bound.callee.message.as_ref().map(messenger);
            [Some(bound.prototype.clone()), bound.init.clone(), message]
                .into_iter()
                .flatten()
                .collect()
        }
    }
}

/// All names that are looked for.
fn symbols(function: &Function) -> Vec<String> {
    let called = prototypes(function);
    let called = called.iter().filter_map(|text| prototype::parse(text).ok());
    let mut symbols: Vec<_> = called.map(|prototype| prototype.name).collect();
    if let Entry::Function(bound) = &function.entry {
        let exit = bound.callee.opening.as_ref().and_then(|opening| opening.exit.clone());
        symbols.extend(exit.into_iter().chain(bound.callee.free.clone()));
    }
    symbols
}

fn messenger(message: &Message) -> String {
    let parameter = match message.given {
        Given::Nothing => "void".to_owned(),
        Given::Handle => "void *handle".to_owned(),
        Given::Returned(scalar) | Given::Errno(scalar) => format!("{} code", spelling(scalar)),
    };
    format!("const char *{}({parameter})", message.symbol)
}

/// A C type of this width and sign.
fn spelling(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "bool",
        Scalar::I8 => "int8_t",
        Scalar::I16 => "int16_t",
        Scalar::I32 => "int",
        Scalar::I64 => "long",
        Scalar::U8 => "uint8_t",
        Scalar::U16 => "uint16_t",
        Scalar::U32 => "unsigned",
        Scalar::U64 => "size_t",
        Scalar::F32 => "float",
        Scalar::F64 => "double",
    }
}
