//! What the sources and the settings keep to: time comes from the clock, and a bad environment is named without its values.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dingtalk_core::DingTalk;

/// K5
#[test]
fn only_the_two_clocks_know_the_real_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let doors = [
        "dingtalk-core/src/clock.rs",
        "dingtalk-sandbox/src/clock.rs",
    ]
    .map(|door| root.join(door));
    // What says how long things took, what looks again and again whether all is idle, and what a browser is waited for with.
    let others = [
        "xtask",
        "tests/benches",
        "tests/src/pulse.rs",
        "tests/src/chromium/patience.rs",
    ]
    .map(|other| root.join(other));
    let mut sources = sources(root);
    sources.retain(|path| !others.iter().any(|other| path.starts_with(other)));
    assert!(sources.len() > 50, "{}", sources.len());
    for door in &doors {
        assert!(
            sources.contains(door),
            "{} is gone: say here where time comes from",
            door.display()
        );
        assert!(!real_time(&read(door)).is_empty());
    }
    let mut strays = Vec::new();
    for path in sources.iter().filter(|path| !doors.contains(path)) {
        let source = read(path);
        let found = real_time(&source).into_iter();
        strays.extend(found.map(|line| format!("{}: {line}", path.display())));
    }
    assert!(
        strays.is_empty(),
        "real time outside the clocks:\n{}",
        strays.join("\n")
    );
}

/// The lines of a source that ask for the real time or wait on it.
fn real_time(source: &str) -> Vec<&str> {
    // In two pieces each, or this file would find itself.
    let asking = [
        ["SystemTime", "now"],
        ["Instant", "now"],
        ["time", "sleep"],
        ["time", "sleep_until"],
        ["time", "timeout"],
        ["time", "interval"],
        ["thread", "sleep"],
    ]
    .map(|pair| pair.join("::"));
    let waits = ["sleep", "sleep_until", "timeout", "interval", "Instant"];
    let is_import = |line: &str| {
        line.starts_with("use tokio::time::")
            && line
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| waits.contains(&word))
    };
    let lines = source.lines().map(str::trim);
    lines
        .filter(|line| asking.iter().any(|asking| line.contains(asking)) || is_import(line))
        .collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| match path.file_name().and_then(|name| name.to_str()) {
                Some(name) if name.starts_with('.') || name == "target" => Vec::new(),
                _ if path.is_dir() => sources(&path),
                Some(name) if name.ends_with(".rs") => vec![path],
                _ => Vec::new(),
            },
        )
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What the child of the next test runs.
#[test]
fn the_environment_makes_a_handle() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    match DingTalk::from_env() {
        Ok(dingtalk) => println!("made: {dingtalk:?}"),
        Err(error) => println!("refused: {error}\n{error:?}"),
    }
}

/// G1
#[test]
fn a_bad_environment_is_named_without_its_values() {
    let key = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
    let full = [
        ("DINGTALK_PUBLIC_ORIGIN", "https://hr.example.com"),
        ("DINGTALK_CORP_ID", "ding0a1b2c"),
        ("DINGTALK_APP_KEY", "dingkey"),
        ("DINGTALK_APP_SECRET", "canary-app-secret"),
        ("DINGTALK_SESSION_KEY", key),
    ];
    let said = in_child(&full);
    assert!(said.contains("made: DingTalk"), "{said}");
    assert!(!said.contains("canary") && !said.contains(key), "{said}");
    for (at, (variable, value)) in full.into_iter().enumerate() {
        let bad = match variable {
            "DINGTALK_PUBLIC_ORIGIN" => "canary",
            "DINGTALK_APP_SECRET" => " canary",
            _ => "canary canary/../",
        };
        for given in ["", bad] {
            let mut changed = full;
            changed[at].1 = given;
            let said = in_child(&changed);
            assert!(
                said.contains("refused: ") && said.contains(variable),
                "{said}"
            );
            assert!(!said.contains("canary"), "{said}");
            assert!(
                variable != "DINGTALK_SESSION_KEY" || !said.contains(value),
                "{said}"
            );
        }
    }
}

fn in_child(environment: &[(&str, &str)]) -> String {
    let Output { status, stdout, .. } = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "secrecy::the_environment_makes_a_handle",
            "--nocapture",
        ])
        .env_remove("DINGTALK_REGION")
        .env_remove("DINGTALK_ENDPOINT")
        .envs(environment.iter().copied())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(stdout).unwrap();
    assert!(status.success() && said.contains("1 passed"), "{said}");
    said
}

const CHILD: &str = "DINGTALK_TESTS_CHILD";
