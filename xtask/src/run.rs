//! Steps: a header, a command, its time; the first failure ends the run with a line that a person can paste.

use std::{
    env, fmt,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Why a run ended early, in words for the person who started it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cargo that started us, so that every step uses the same toolchain.
#[derive(Clone, Debug)]
pub(crate) struct Cargo(PathBuf);

impl Cargo {
    pub(crate) fn of_this_run() -> Self {
        Self(env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from))
    }

    pub(crate) fn line(&self, arguments: &str) -> Line {
        let mut line = Line::new(&self.0, arguments.split_whitespace());
        line.shown_program = "cargo".into();
        line
    }
}

/// A command and how a person would type it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    program: PathBuf,
    shown_program: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Line {
    pub(crate) fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let program = program.into();
        Self {
            shown_program: program.display().to_string(),
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
        }
    }

    /// With more arguments, whatever is in them.
    pub(crate) fn and(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command, without what `cargo run` put into our own environment about the package `xtask`.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(names_the_running_package) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Whether the command runs and succeeds; what it prints is nobody's business.
    pub(crate) fn works(&self) -> bool {
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// What the command prints.
    pub(crate) fn output(&self) -> Result<String, Failure> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.cannot_start(&error))?;
        if !output.status.success() {
            return Err(Failure::new(format!("{}:\n  {self}", output.status)));
        }
        String::from_utf8(output.stdout)
            .map_err(|error| Failure::new(format!("{error} in the output of:\n  {self}")))
    }

    pub(crate) fn cannot_start(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("cannot start: {error}:\n  {self}"))
    }
}

/// The line as a POSIX shell takes it.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.shown_program))?;
        for argument in &self.arguments {
            write!(f, " {}", quoted(argument))?;
        }
        Ok(())
    }
}

/// One verb's run: carries out steps and remembers how long each took.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) cargo: Cargo,
    root: PathBuf,
    done: Vec<(String, Duration)>,
}

impl Run {
    pub(crate) fn new(cargo: Cargo, root: PathBuf) -> Self {
        Self {
            cargo,
            root,
            done: Vec::new(),
        }
    }

    /// Runs `line` in the workspace's root; its output goes where ours goes.
    pub(crate) fn step(&mut self, name: &str, line: &Line) -> Result<(), Failure> {
        println!("\n==> {name}: {line}");
        let watch = Stopwatch::start();
        let status = line
            .command()
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| line.cannot_start(&error))?;
        let took = watch.elapsed();
        if !status.success() {
            return Err(Failure::new(format!(
                "{name} failed after {} ({status}). Again, from {}:\n  {line}",
                seconds(took),
                self.root.display(),
            )));
        }
        println!("<== {name}: {}", seconds(took));
        self.done.push((name.to_owned(), took));
        Ok(())
    }

    /// `line`, to be started by the caller in the workspace's root.
    pub(crate) fn command(&self, line: &Line) -> Command {
        let mut command = line.command();
        command.current_dir(&self.root);
        command
    }

    /// Ends a green run with the time of each step.
    pub(crate) fn close(self) {
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("\nxtask: all steps passed in {}", seconds(total));
        for (name, took) in &self.done {
            println!("{:>9}  {name}", seconds(*took));
        }
    }
}

/// Wall time of a step. Nothing here depends on it but the printed seconds.
struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "a build step takes real time, and nothing tests it"
    )]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// `cargo run` describes the package it runs in the environment; handed on, it would make build scripts that watch these
/// names run again.
fn names_the_running_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_a_person_would_type_it() {
        let line = Cargo("/opt/rust/bin/cargo".into())
            .line("doc --workspace")
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            line.to_string(),
            "RUSTDOCFLAGS='-D warnings' cargo doc --workspace"
        );
    }

    #[test]
    fn a_quote_in_a_word_survives_the_shell() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_program_that_is_not_there_does_not_work() {
        assert!(!Line::new("no-such-program-anywhere", ["--version"]).works());
    }

    #[test]
    fn the_running_package_is_not_handed_on() {
        assert!(names_the_running_package("CARGO_PKG_NAME"));
        assert!(!names_the_running_package("CARGO_TARGET_DIR"));
    }
}
