//! A queue as a pure state machine: `machine` holds it, one file a command decides, `apply` changes.

mod apply;
pub mod archive;
mod attempts;
mod bits;
pub mod browse;
pub mod checkpoint;
mod dedup;
pub mod event;
mod expire;
mod figures;
mod groups;
mod leb;
mod machine;
mod message;
mod order;
pub mod packed;
mod pages;
mod producers;
pub mod purge;
pub mod receive;
pub mod redrive;
pub mod rest;
pub mod send;
mod seqs;
pub mod settings;
pub mod settle;
mod slots;
mod timers;

pub use self::{
    attempts::Attempt,
    browse::{Browse, Browsed, MessageView, Stats},
    checkpoint::{Head, StoredMessage},
    dedup::{Remembered, RememberedSends},
    machine::{Delivery, Queue},
    message::State,
    packed::{Page, PageError},
    producers::{Producer, Producers},
    purge::PurgeError,
    receive::{Receive, ReceiveError},
    redrive::{RedriveError, RedriveView},
    send::{Accept, AcceptDecision, Send, SendDecision, SendError},
    settle::SettleError,
    slots::Low,
};

#[cfg(test)]
mod tests;
