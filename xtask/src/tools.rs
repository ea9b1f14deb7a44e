//! What must be on the machine beside Rust, and how it gets there.

use std::fs;

use crate::run::{Failure, Line, Run};

/// Something to be on the machine: how to see it, which Debian packages bring it, and what for.
#[derive(Debug)]
pub(crate) struct Need {
    present: fn() -> bool,
    packages: &'static [&'static str],
    reason: &'static str,
}

/// Needed to build every crate with all features.
pub(crate) const TO_BUILD: &[Need] = &[
    Need {
        present: || Line::new("cc", ["--version"]).works(),
        packages: &["gcc", "libc6-dev"],
        reason: "a C compiler, for rustls's cryptography",
    },
    Need {
        // Elsewhere the system's own TLS is used, which needs nothing.
        present: || {
            !cfg!(target_os = "linux") || Line::new("pkg-config", ["--exists", "openssl"]).works()
        },
        packages: &["libssl-dev", "pkg-config"],
        reason: "OpenSSL's headers, for the feature `native-tls`",
    },
];

/// Needed to run the tests.
pub(crate) const TO_TEST: &[Need] = &[Need {
    // The library that drives it looks for these, and elsewhere for what is usual there.
    present: || {
        !cfg!(target_os = "linux")
            || std::env::var_os("CHROME").is_some()
            || ["chromium", "google-chrome-stable", "google-chrome"]
                .iter()
                .any(|program| Line::new(*program, ["--version"]).works())
    },
    packages: &["chromium"],
    reason: "Chromium, for the browser tests",
}];

/// Needed to run DingTalk's Python SDK.
pub(crate) const FOR_PYTHON: &[Need] = &[Need {
    present: || python().is_some(),
    packages: &["python3", "python3-venv"],
    reason: "Python 3.11 or later with its venv module, for the official SDK",
}];

/// Needed to run DingTalk's JSAPI script.
pub(crate) const FOR_NPM: &[Need] = &[Need {
    present: || Line::new("node", ["--version"]).works() && Line::new("npm", ["--version"]).works(),
    packages: &["nodejs", "npm"],
    reason: "Node.js with npm, for DingTalk's JSAPI script and axe-core",
}];

/// Needed for pictures of pages.
pub(crate) const FOR_PICTURES: &[Need] = &[Need {
    present: || {
        let fonts = Line::new("fc-list", [":lang=zh"]).output();
        !cfg!(target_os = "linux") || fonts.is_ok_and(|fonts| !fonts.trim().is_empty())
    },
    packages: &["fontconfig", "fonts-noto-cjk"],
    reason: "a Chinese font, for the pictures",
}];

/// A Python that can make virtual environments: the first on the path, else the system's own.
pub(crate) fn python() -> Option<&'static str> {
    const PROBE: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| Line::new(python, ["-c", PROBE]).works())
}

/// Makes sure that every need is met, by `apt-get` if we may, else by telling the person how.
pub(crate) fn need_packages(run: &mut Run, needs: &[Need]) -> Result<(), Failure> {
    let missing = unmet(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<_> = missing.iter().flat_map(|need| need.packages).collect();
    packages.sort();
    packages.dedup();
    let install = apt_get("install --yes --no-install-recommends", &packages);
    if !may_install() {
        return Err(Failure::new(format!(
            "this is missing:\n{}On Debian or Ubuntu, as root:\n  apt-get update && {install}",
            listed(&missing)
        )));
    }
    run.step("package lists", &apt_get("update", &[]))?;
    run.step("packages", &install)?;
    let missing = unmet(needs);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "this is still missing after the installation:\n{}",
            listed(&missing)
        )))
    }
}

/// Makes sure that the toolchain can format and lint.
pub(crate) fn need_components(run: &Run) -> Result<(), Failure> {
    for (verb, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !run.cargo.line(&format!("{verb} --version")).works() {
            return Err(Failure::new(format!(
                "`cargo {verb}` is missing. Install it with:\n  rustup component add {component}"
            )));
        }
    }
    Ok(())
}

fn unmet(needs: &[Need]) -> Vec<&Need> {
    needs.iter().filter(|need| !(need.present)()).collect()
}

fn listed(needs: &[&Need]) -> String {
    needs
        .iter()
        .map(|need| format!("  {} ({})\n", need.reason, need.packages.join(", ")))
        .collect()
}

fn apt_get(arguments: &str, packages: &[&&str]) -> Line {
    let words = arguments
        .split(' ')
        .chain(packages.iter().map(|name| **name));
    Line::new("apt-get", words).env("DEBIAN_FRONTEND", "noninteractive")
}

/// Root on Debian or a system made from it.
fn may_install() -> bool {
    let root = Line::new("id", ["-u"])
        .output()
        .is_ok_and(|id| id.trim() == "0");
    let debian = fs::read_to_string("/etc/os-release").is_ok_and(|text| is_debian(&text));
    root && debian && Line::new("apt-get", ["--version"]).works()
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| {
        let value = line
            .strip_prefix("ID=")
            .or_else(|| line.strip_prefix("ID_LIKE="));
        value.is_some_and(|value| {
            value
                .trim_matches(['"', '\''])
                .split(' ')
                .any(|id| id == "debian")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_what_is_made_from_it_are_known() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nVERSION_ID=43\n"));
        assert!(!is_debian("HOME_URL=\"https://www.debian.org/\"\n"));
    }

    #[test]
    fn what_is_missing_is_told_with_its_reason() {
        const NEVER: &[Need] = &[
            Need {
                present: || false,
                packages: &["libssl-dev"],
                reason: "headers",
            },
            Need {
                present: || true,
                packages: &["gcc"],
                reason: "a compiler",
            },
        ];
        assert_eq!(listed(&unmet(NEVER)), "  headers (libssl-dev)\n");
    }

    #[test]
    fn an_installation_asks_nothing() {
        assert_eq!(
            apt_get("install --yes", &[&"gcc"]).to_string(),
            "DEBIAN_FRONTEND=noninteractive apt-get install --yes gcc"
        );
    }
}
