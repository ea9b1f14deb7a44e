#![doc = include_str!("../README.md")]

pub mod route;

mod api;
mod calls;
mod client;
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
mod signin;
mod token;
mod user_token;
mod wire;
mod world;

pub use self::{
    calls::Call,
    clock::Clock,
    code::SignInCode,
    engine::Unknown,
    fault::Fault,
    hold::Hold,
    sandbox::{Sandbox, SandboxBuilder},
    signin::PendingSignIn,
    world::{
        Account, App, Corp, Department, Person, Role, SignInApp, TokenRepeat, World, WorldError,
    },
};
