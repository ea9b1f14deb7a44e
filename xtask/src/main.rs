//! The commands of this repository: `cargo xtask help` lists them.
//!
//! `test` is the one check, for developers and CI alike; `conformance` holds the sandbox against DingTalk's official SDK,
//! and the pages against DingTalk's JSAPI script.
//! Nothing is skipped in silence: a missing tool is installed where that is allowed, else the command that installs it
//! is printed and the run fails.

mod check;
mod conformance;
mod npm;
mod program;
mod run;
mod screenshots;
mod tools;
mod workspace;

use std::{env, process::ExitCode};

use crate::{
    run::{Cargo, Failure, Run},
    workspace::Workspace,
};

const HELP: &str = "\
The commands of this repository.

Usage: cargo xtask <command>

Commands:
  test         everything a change must pass: formatting, lints, documentation, a build without default
               features, all tests, and the demo's own check
  conformance  starts the sandbox and drives it with DingTalk's official Python SDK (installed from PyPI
               into the target folder); then the browser tests with DingTalk's JSAPI script and axe-core
               (installed from npm into the target folder)
  screenshots  takes the README's pictures anew, in Chromium, from the running demo
  deny         checks dependencies against deny.toml: bans, licences, sources. Needs cargo-deny:
               cargo install cargo-deny --locked
  help         this text

A step that fails prints the exact command that failed. Missing system packages are installed when you are
root on Debian or Ubuntu; otherwise the command that installs them is printed and the run fails.
";

fn main() -> ExitCode {
    match dispatch(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let verb = match arguments.as_slice() {
        [] => return Err(Failure::new(format!("no command given\n\n{HELP}"))),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return Ok(());
        }
        ["test"] => check::test,
        ["conformance"] => conformance::conformance,
        ["screenshots"] => screenshots::screenshots,
        ["deny"] => check::deny,
        other => {
            return Err(Failure::new(format!(
                "no such command: {}\n\n{HELP}",
                other.join(" ")
            )));
        }
    };
    let cargo = Cargo::of_this_run();
    let workspace = Workspace::load(&cargo)?;
    let mut run = Run::new(cargo, workspace.root.clone());
    verb(&mut run, &workspace)?;
    run.close();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_named_beside_the_help() {
        let failure = dispatch(&["tset".to_owned()]).unwrap_err().to_string();
        assert!(failure.contains("no such command: tset"));
        assert!(failure.contains("Usage: cargo xtask"));
    }

    #[test]
    fn an_argument_too_many_is_refused() {
        let arguments = ["test", "--quick"].map(str::to_owned);
        assert!(dispatch(&arguments).is_err());
    }
}
