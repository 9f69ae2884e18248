//! The command line: what can be asked, and who answers.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::app::{AppError, call, check, demo, doctor, explain, init, metrics, replay, run};

/// A reverse-proxy sidecar that keeps blocking handlers from stalling a server.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, max_term_width = 100)]
pub struct Cli {
    /// The worker program; default: COFFERDAM_WORKER, else cofferdam-worker beside this program
    #[arg(long, global = true, value_name = "PATH")]
    worker: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve by the rules of FILE until SIGTERM (drain) or a second one (at once)
    Run {
        /// The configuration
        file: PathBuf,
    },
    /// Say all that is wrong with FILE; also loads each library in a worker and finds each symbol
    #[command(
        after_help = "Example: cofferdam check app.toml --explain \"POST http://api.local/resize/7 -H x-tenant:blue\""
    )]
    Check {
        /// The configuration
        file: PathBuf,
        /// Which route answers this request, and why the others do not
        #[arg(long, value_name = "METHOD URL [-H NAME:VALUE]…")]
        explain: Option<String>,
    },
    /// Write a commented configuration for the functions of a library to standard output
    #[command(
        after_help = "Example: cofferdam init ./libslow.so > app.toml\nBuild the library with `cc -g`: its debug information says what each function takes"
    )]
    Init {
        /// The shared library
        library: PathBuf,
    },
    /// List the routes of FILE in the order in which they are tried
    Routes {
        /// The configuration
        file: PathBuf,
    },
    /// Run FUNCTION of FILE once, and show its result and where its time went
    #[command(after_help = "Example: cofferdam call app.toml resize w=64 h=64 in=@photo.png")]
    Call {
        /// The configuration
        file: PathBuf,
        /// Its name under [functions], or of the route with the short form
        function: String,
        /// Values of parameters; @PATH reads a file. For a handler: method, path, query, body
        #[arg(value_name = "ARG=VALUE")]
        arguments: Vec<String>,
        /// Run it many times in each mode, and say what each costs and which to take
        #[arg(long)]
        compare: bool,
    },
    /// Run the call of a dossier again, and say whether it dies in the same way
    #[command(
        after_help = "Example: cofferdam replay /var/lib/cofferdam/dossiers/death-….json\nWhat the dossier does not have, as [dossiers] inputs says, is given as ARG=VALUE"
    )]
    Replay {
        /// A file of [dossiers] directory
        dossier: PathBuf,
        /// Values of parameters, as for `call`: instead of those of the dossier
        #[arg(value_name = "ARG=VALUE")]
        arguments: Vec<String>,
        /// The configuration; default: the one that the dossier names
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Under gdb, with a prompt on a terminal, else to its backtrace
        #[arg(long)]
        gdb: bool,
    },
    /// Say what this kernel lets this user do, what is weaker than it could be, and how to mend it
    Doctor {
        /// Which system calls the levels of sandbox refuse or allow instead, each group with its reason
        #[arg(long)]
        syscalls: bool,
    },
    /// Say what there is at /metrics: name, type, labels, unit and meaning of each metric
    Metrics {
        /// List all of them
        #[arg(long, required = true)]
        list: bool,
        /// As a table, or for programs
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,
    },
    /// Play the problem and its cure: an app whose event loop blocks, alone and with Cofferdam before it
    Demo {
        /// On the blocking endpoint at once, 1 to 1000
        #[arg(long, value_name = "N", default_value_t = 10)]
        clients: usize,
        /// The sidecar's port; default: 8080, or a free one where that is taken
        #[arg(long)]
        port: Option<u16>,
        /// End after the table; else it stays up until Ctrl-C
        #[arg(long)]
        exit: bool,
    },
    /// The app of the demo
    #[command(hide = true)]
    DemoApp {
        /// Has the `int main(void)` that it calls
        library: PathBuf,
    },
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table.
    Text,
    /// One array.
    Json,
}

/// Runs one command.
///
/// # Errors
/// What is wrong, where, and how to mend it.
pub fn run(cli: Cli) -> Result<(), AppError> {
    let worker = cli.worker.as_deref();
    match cli.command {
        Command::Run { file } => run::run(&file, worker),
        Command::Check { file, explain: Some(request) } => explain::explain(&file, &request),
        Command::Check { file, explain: None } => check::check(&file, worker),
        Command::Init { library } => init::init(&library),
        Command::Routes { file } => explain::routes(&file),
        Command::Call { file, function, arguments, compare } => {
            call::call(&file, worker, &function, &arguments, compare)
        }
        Command::Replay { dossier, arguments, config, gdb } => {
            let worker = cli.worker;
            replay::replay(&replay::Options { dossier, config, arguments, gdb, worker })
        }
        Command::Doctor { syscalls: true } => doctor::system_calls(),
        Command::Doctor { syscalls: false } => doctor::doctor(worker),
        Command::Metrics { list: _, format } => metrics::list(format).map_err(AppError::runtime),
        Command::Demo { clients, port, exit } => {
            let options = demo::Options { clients, port, exit, worker: cli.worker };
            demo::run(&options).map_err(AppError::runtime)
        }
        Command::DemoApp { library } => demo::serve_app(&library).map_err(AppError::runtime),
    }
}
