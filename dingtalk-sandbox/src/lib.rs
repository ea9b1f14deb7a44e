#![doc = include_str!("../README.md")]

pub mod route;

mod api;
mod calls;
mod clock;
mod code;
mod control;
mod engine;
mod envelope;
mod fault;
mod hold;
mod identifier;
mod page;
mod rate;
mod sandbox;
mod server;
mod token;
mod wire;
mod world;

pub use self::{
    calls::Call,
    clock::Clock,
    engine::Unknown,
    fault::Fault,
    hold::Hold,
    sandbox::{Sandbox, SandboxBuilder},
    world::{App, Corp, Department, Person, Role, TokenRepeat, World, WorldError},
};
