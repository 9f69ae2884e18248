//! The command line: what can be asked, and who answers.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::app::{AppError, call, check, explain, run};

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
    },
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
        Command::Routes { file } => explain::routes(&file),
        Command::Call { file, function, arguments } => {
            call::call(&file, worker, &function, &arguments)
        }
    }
}
