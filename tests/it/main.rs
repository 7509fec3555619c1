//! The broker in one process, talked to over its real port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for the one variant it expects")]

mod access;
mod aws;
mod aws_chunked;
mod aws_errors;
mod aws_fuzz;
mod aws_leases;
mod aws_sqs;
mod aws_wire;
mod backlog;
mod backup;
mod broker;
mod cli;
mod cli_streams;
mod consume_session;
mod drain;
mod grpc_access;
mod grpc_consume;
mod grpc_produce;
mod grpc_reasons;
mod grpc_server;
mod grpc_streams;
mod grpc_unary;
mod grpc_walk;
mod kinesis;
mod kinesis_cbor;
mod kinesis_channels;
mod kinesis_lives;
mod kinesis_queues;
mod kinesis_quotas;
mod kinesis_states;
mod limits;
mod policies;
mod starting;
mod storage;
mod stream_walk;
mod threads;
mod tls;
