//! What cargo says of this workspace.

use std::path::PathBuf;

use serde_json::Value;

use crate::run::{Cargo, Failure};

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The crates that are published, by name, sorted.
    pub(crate) published: Vec<String>,
}

impl Workspace {
    pub(crate) fn load(cargo: &Cargo) -> Result<Self, Failure> {
        let metadata = cargo
            .line("metadata --format-version 1 --no-deps")
            .output()?;
        Self::read(&metadata)
            .ok_or_else(|| Failure::new("`cargo metadata` answered in a shape we do not know"))
    }

    fn read(metadata: &str) -> Option<Self> {
        let metadata: Value = serde_json::from_str(metadata).ok()?;
        let path = |key: &str| Some(PathBuf::from(metadata.get(key)?.as_str()?));
        let mut published = Vec::new();
        for package in metadata.get("packages")?.as_array()? {
            // `null`: anywhere; `[]`: nowhere, which is what `publish = false` becomes.
            let nowhere = package
                .get("publish")?
                .as_array()
                .is_some_and(Vec::is_empty);
            if !nowhere {
                published.push(package.get("name")?.as_str()?.to_owned());
            }
        }
        published.sort();
        Some(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            published,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_crates_are_listed() {
        let workspace = Workspace::read(
            r#"{
                "workspace_root": "/w",
                "target_directory": "/w/target",
                "packages": [
                    {"name": "xtask", "publish": []},
                    {"name": "b", "publish": null},
                    {"name": "a", "publish": ["crates-io"]}
                ]
            }"#,
        )
        .unwrap();
        assert_eq!(workspace.published, ["a", "b"]);
        assert_eq!(workspace.target, PathBuf::from("/w/target"));
    }

    #[test]
    fn an_unknown_shape_is_no_empty_workspace() {
        assert!(Workspace::read("{}").is_none());
        assert!(
            Workspace::read(
                r#"{"workspace_root": "/w", "target_directory": "/t", "packages": [{}]}"#
            )
            .is_none()
        );
    }
}
