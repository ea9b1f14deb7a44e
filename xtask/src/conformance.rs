//! `cargo xtask conformance`: the sandbox answers DingTalk's official Python SDK as DingTalk would, and the browser tests run with
//! DingTalk's own JSAPI script.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    npm::Packages,
    program::Program,
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
    let sandbox = Program::start(run, &line, "http")?;
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

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
