//! `cargo xtask test`: everything a change must pass. `cargo xtask deny`: what may be depended on.

use crate::{
    run::{Failure, Run},
    tools,
    workspace::Workspace,
};

pub(crate) fn test(run: &mut Run, workspace: &Workspace) -> Result<(), Failure> {
    tools::need_components(run)?;
    tools::need_packages(run, tools::TO_BUILD)?;
    tools::need_packages(run, tools::TO_TEST)?;

    let cargo = run.cargo.clone();
    run.step("formatting", &cargo.line("fmt --all --check"))?;
    run.step(
        "lints",
        &cargo.line("clippy --workspace --all-targets --all-features -- -D warnings"),
    )?;
    run.step(
        "documentation",
        &cargo
            .line("doc --workspace --all-features --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    // Each crate alone: together, one crate's features would hide what another forgot to ask for.
    for name in &workspace.published {
        run.step(
            &format!("{name} without default features"),
            &cargo.line(&format!("check --package {name} --no-default-features")),
        )?;
    }
    // An ignored test, or an example fenced as `ignore`, would be skipped in silence.
    run.step(
        "tests",
        &cargo.line("test --workspace -- --include-ignored"),
    )?;
    run.step("demo", &cargo.line("run --bin demo -- --check"))
}

pub(crate) fn deny(run: &mut Run, _: &Workspace) -> Result<(), Failure> {
    let cargo = run.cargo.clone();
    if !cargo.line("deny --version").works() {
        return Err(Failure::new(
            "cargo-deny is missing. Install it with:\n  cargo install cargo-deny --locked",
        ));
    }
    run.step(
        "dependencies",
        &cargo.line("deny check --hide-inclusion-graph bans licenses sources"),
    )
}
