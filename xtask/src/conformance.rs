//! `cargo xtask conformance`: the sandbox answers DingTalk's official Python SDK as DingTalk would, and the browser tests run with
//! DingTalk's own JSAPI script.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    npm::Packages,
    run::{Failure, Line, Run},
    tools,
    workspace::Workspace,
};

pub(crate) fn conformance(run: &mut Run, workspace: &Workspace) -> Result<(), Failure> {
    tools::need_packages(run, tools::FOR_PYTHON)?;
    tools::need_packages(run, tools::TO_TEST)?;
    tools::need_packages(run, tools::FOR_NPM)?;
    let files = workspace.root.join("xtask/conformance");
    official_sdk(run, workspace, &files)?;
    browser(run, workspace, &files)
}

/// The browser tests with DingTalk's script in place of ours, and with axe-core on every page.
fn browser(run: &mut Run, workspace: &Workspace, files: &Path) -> Result<(), Failure> {
    let packages = Packages::ready(run, workspace.target.join("conformance-npm"), files)?;
    let tests = run
        .cargo
        .line("test --package dingtalk-tests --test browser --features npm");
    let tests = tests
        .env("DINGTALK_JSAPI", &packages.jsapi())
        .env("DINGTALK_AXE", &packages.axe());
    run.step("browser tests with DingTalk's script", &tests)
}

fn official_sdk(run: &mut Run, workspace: &Workspace, files: &Path) -> Result<(), Failure> {
    let python = Venv::at(workspace.target.join("conformance"), files).ready(run)?;

    let cargo = run.cargo.clone();
    run.step("sandbox", &cargo.line("build --package dingtalk-sandbox"))?;
    let line = cargo
        .line("run --quiet --package dingtalk-sandbox -- --listen 127.0.0.1:0")
        .env("RUST_LOG", "warn");
    let sandbox = Sandbox::start(run, &line)?;
    let script = path(&files.join("official_sdk.py"));
    run.step(
        "official SDK",
        // `-B`: no compiled modules beside the sources.
        &Line::new(python, ["-B", &script, &sandbox.url]),
    )
    .map_err(|failure| {
        Failure::new(format!(
            "{failure}\nThat sandbox is stopped. Another to try it against:\n  {line}"
        ))
    })
}

/// A Python of our own, with what `requirements.txt` asks for.
struct Venv {
    folder: PathBuf,
    requirements: PathBuf,
}

impl Venv {
    fn at(folder: PathBuf, files: &Path) -> Self {
        Self {
            folder,
            requirements: files.join("requirements.txt"),
        }
    }

    /// The interpreter. The environment is made anew only when the requirements or the system's Python changed.
    fn ready(&self, run: &mut Run) -> Result<PathBuf, Failure> {
        let python = self.folder.join(if cfg!(windows) {
            "Scripts/python.exe"
        } else {
            "bin/python"
        });
        let system = tools::python().ok_or_else(|| Failure::new("no usable Python"))?;
        let version = Line::new(system, ["-VV"]).output()?;
        let requirements = fs::read_to_string(&self.requirements)
            .map_err(|error| Failure::new(format!("{}: {error}", self.requirements.display())))?;
        let wanted = format!("{version}{requirements}");

        // Written last, so an installation that was cut short is made again.
        let stamp = self.folder.join("installed.txt");
        let installed = fs::read_to_string(&stamp).is_ok_and(|text| text == wanted);
        if installed && Line::new(&python, ["-V"]).works() {
            println!(
                "\n==> Python environment: {} is up to date",
                self.folder.display()
            );
            return Ok(python);
        }
        run.step(
            "Python environment",
            &Line::new(system, ["-m", "venv", "--clear", &path(&self.folder)]),
        )?;
        run.step(
            "Python packages",
            &Line::new(
                &python,
                [
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                    "--requirement",
                    &path(&self.requirements),
                ],
            ),
        )?;
        fs::write(&stamp, wanted)
            .map_err(|error| Failure::new(format!("{}: {error}", stamp.display())))?;
        Ok(python)
    }
}

/// The running program `dingtalk-sandbox`; dropping it ends it.
struct Sandbox {
    program: Child,
    url: String,
}

impl Sandbox {
    /// Starts the program and waits for the line that tells its URL.
    fn start(run: &Run, line: &Line) -> Result<Self, Failure> {
        println!("\n==> sandbox: {line}");
        let mut program = run
            .command(line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| line.cannot_start(&error))?;
        let output = program.stdout.take();
        // Made before the wait, so that the program ends with it however the wait ends.
        let mut sandbox = Self {
            program,
            url: String::new(),
        };
        let output = output.ok_or_else(|| Failure::new("the sandbox has no output to read"))?;
        sandbox.url = first_url(output).recv_timeout(START).map_err(|error| {
            let why = match error {
                mpsc::RecvTimeoutError::Timeout => "printed no URL in time",
                mpsc::RecvTimeoutError::Disconnected => "ended without printing a URL",
            };
            Failure::new(format!("the sandbox {why}:\n  {line}"))
        })?;
        Ok(sandbox)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

/// Shows every line of the output and sends the first URL. Reads on to the end: a full pipe would stop the program.
fn first_url(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("    {line}");
            if let Some(url) = url_in(&line) {
                // Only the first is waited for.
                drop(sender.send(url));
            }
        }
    });
    receiver
}

fn url_in(line: &str) -> Option<String> {
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"))?;
    Some(url.trim_end_matches(['/', '.', ',']).to_owned())
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The program is built before it is started, so this is only for its own start.
const START: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_found_in_a_sentence() {
        let url = Some("http://127.0.0.1:7070".to_owned());
        assert_eq!(url_in("http://127.0.0.1:7070"), url);
        assert_eq!(url_in("DingTalk sandbox on http://127.0.0.1:7070/."), url);
        assert_eq!(url_in("no address here"), None);
    }
}
