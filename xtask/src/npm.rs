//! Packages from npm, in the target folder: DingTalk's JSAPI script, bundled as a page loads it, and axe-core.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::run::{Failure, Line, Run};

/// The folder that has them.
#[derive(Debug)]
pub(crate) struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Installs what `package-lock.json` among `files` names, unless it is there already.
    pub(crate) fn ready(run: &mut Run, folder: PathBuf, files: &Path) -> Result<Self, Failure> {
        let wanted = read(&files.join(LOCK))? + &read(&files.join(ENTRY))?;
        // Written last, so an installation that was cut short is made again.
        let stamp = folder.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
            println!("\n==> npm packages: {} is up to date", folder.display());
            return Ok(Self { folder });
        }
        fs::create_dir_all(&folder).map_err(|error| fault(&folder, &error))?;
        for file in ["package.json", LOCK, ENTRY] {
            let to = folder.join(file);
            fs::copy(files.join(file), &to).map_err(|error| fault(&to, &error))?;
        }
        let packages = Self { folder };
        let folder = packages.path("");
        let npm = [
            "ci",
            "--prefix",
            &folder,
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ];
        run.step("npm packages", &Line::new("npm", npm))?;
        let out = format!("--outfile={}", packages.jsapi());
        let entry = packages.path(ENTRY);
        let bundle = [
            &*entry,
            "--bundle",
            "--format=iife",
            "--log-level=warning",
            &out,
        ];
        let esbuild = packages.path("node_modules/.bin/esbuild");
        run.step("DingTalk's script", &Line::new(esbuild, bundle))?;
        fs::write(&stamp, wanted).map_err(|error| fault(&stamp, &error))?;
        Ok(packages)
    }

    /// DingTalk's JSAPI script, for a page.
    pub(crate) fn jsapi(&self) -> String {
        self.path("bundle/jsapi.js")
    }

    /// axe-core, for a page.
    pub(crate) fn axe(&self) -> String {
        self.path("node_modules/axe-core/axe.min.js")
    }

    fn path(&self, inside: &str) -> String {
        self.folder.join(inside).to_string_lossy().into_owned()
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| fault(file, &error))
}

fn fault(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

const LOCK: &str = "package-lock.json";
const ENTRY: &str = "jsapi.js";
