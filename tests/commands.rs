//! The commands that end by themselves: what each prints, where, and with which exit code.

mod call;
mod check;
mod doctor;
mod explain;
mod init;
mod metrics;
mod usage;
