//! The composition root: commands, and the program that `run` starts.

pub mod call;
pub mod certificates;
pub mod check;
pub mod cli;
pub mod compare;
pub mod demo;
pub mod doctor;
pub mod dossiers;
pub mod elf;
pub mod explain;
pub mod handover;
pub mod init;
pub mod libraries;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod reload;
pub mod replay;
pub mod run;
pub mod series;
pub mod signals;

use std::process::ExitCode;

use clap::Parser;

/// What ended a command.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Words of the command line that do not fit the file.
    #[error("{0}")]
    Usage(String),
    /// The configuration, with the whole report.
    #[error("{0}")]
    Config(String),
    /// Something of this machine.
    #[error("{0}")]
    Runtime(String),
}

impl AppError {
    /// 2, as of a command line that cannot be read; 78 (EX_CONFIG of `sysexits.h(3head)`); or 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            AppError::Usage(_) => ExitCode::from(2),
            AppError::Config(_) => ExitCode::from(78),
            AppError::Runtime(_) => ExitCode::FAILURE,
        }
    }

    /// Of anything that says what is wrong with the settings.
    pub fn config(problem: impl std::fmt::Display) -> Self {
        AppError::Config(problem.to_string())
    }

    /// Of anything that says what is wrong.
    pub fn runtime(problem: impl std::fmt::Display) -> Self {
        AppError::Runtime(problem.to_string())
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = error.to_string();
            eprintln!("{}", told.trim_end());
            error.exit_code()
        }
    }
}
