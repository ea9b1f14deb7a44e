//! `cargo xtask screenshots`: the README's pictures, taken anew from the running demo.

use crate::{
    program::Program,
    run::{Failure, Run},
    tools,
    workspace::Workspace,
};

pub(crate) fn screenshots(run: &mut Run, workspace: &Workspace) -> Result<(), Failure> {
    tools::need_packages(run, tools::TO_TEST)?;
    tools::need_packages(run, tools::FOR_PICTURES)?;
    let cargo = run.cargo.clone();
    run.step("demo", &cargo.line("build --bin demo"))?;
    let demo = Program::start(
        run,
        &cargo.line("run --quiet --bin demo"),
        "DingTalk, on this machine",
    )?;
    let docs = workspace.root.join("docs");
    let camera = cargo.line("run --package dingtalk-tests --example screenshots --");
    let camera = camera.and([demo.url.clone(), docs.to_string_lossy().into_owned()]);
    run.step("pictures", &camera)
}
