//! `Join`: how its session's frames are spelled.

use super::{
    call::Call,
    convert, errors, queues,
    session::{Events, Kind, Said},
    streams,
};
use crate::{
    base::reason::Refusal,
    domain::stream::Position,
    proto::stream::v1::{
        JoinRequest, JoinResponse,
        join_request::{self, Frame as Asked},
        join_response::{Assigned, Committed, Delivery, Draining, Ended, Frame, Lost, Opened, Revoke},
    },
    protocol::port::drain::DrainControl,
    service::streams::{
        join::{Command, Event, JoinSession, OpenJoin},
        view::{sequence_number, shard_id},
    },
};
use tokio_stream::Stream;

pub(super) struct Join;

impl Kind for Join {
    type Request = JoinRequest;
    type Response = JoinResponse;
    type Open = join_request::Open;
    type Command = Command;
    type Event = Event;
    type Session = JoinSession;
    const COMMANDS: &'static str = "commit, released, flow_control and heartbeat";

    fn read(request: JoinRequest) -> Option<Said<Self>> {
        Some(match request.frame? {
            Asked::Open(open) => Said::Open(open),
            Asked::Commit(commit) => Said::Command(read_commit(&commit)),
            Asked::Released(released) => Said::Command(read_released(&released)),
            Asked::FlowControl(flow) => Said::Command(Ok(Command::Flow(queues::flow_control(flow)))),
            Asked::Heartbeat(_) => Said::Command(Ok(Command::Heartbeat)),
        })
    }

    async fn begin(call: &Call, open: join_request::Open) -> Result<JoinSession, Refusal> {
        call.broker().open_join(call.caller(), read_open(open)?).await
    }

    async fn run(
        session: JoinSession,
        commands: impl Stream<Item = Result<Command, Refusal>> + Send,
        events: Events<Self>,
    ) {
        session.run(commands, events).await;
    }

    fn spell(_call: &Call, drain: &DrainControl, event: Event) -> JoinResponse {
        let frame = match event {
            Event::Opened { member, session_timeout } => Frame::Opened(Opened {
                member_id: member.0.to_string(),
                session_timeout: Some(convert::to_duration(session_timeout)),
            }),
            Event::Assigned { shard, generation, checkpoint } => Frame::Assigned(Assigned {
                shard: Some(streams::shard(*shard)),
                generation,
                checkpoint: checkpoint.map(|number| number.to_string()).unwrap_or_default(),
            }),
            Event::Revoke { shard, generation, grace } => Frame::Revoke(Revoke {
                shard_id: shard.to_string(),
                generation,
                grace: Some(convert::to_duration(grace)),
            }),
            Event::Lost { shard, generation } => Frame::Lost(Lost { shard_id: shard.to_string(), generation }),
            Event::Delivery(delivery) => Frame::Delivery(Delivery {
                shard_id: delivery.shard.to_string(),
                records: streams::stored(delivery.records),
                behind_tail: streams::behind(delivery.behind),
                generation: delivery.generation,
                lost_records: delivery.lost,
            }),
            Event::Committed { commit_id, refused } => {
                Frame::Committed(Committed { commit_id, error: refused.map(errors::entry) })
            }
            Event::Ended { shard, generation } => Frame::Ended(Ended { shard_id: shard.to_string(), generation }),
            Event::Draining => Frame::Draining(Draining { grace: Some(convert::to_duration(drain.grace())) }),
        };
        JoinResponse { frame: Some(frame) }
    }
}

fn read_open(open: join_request::Open) -> Result<OpenJoin, Refusal> {
    Ok(OpenJoin {
        stream: open.stream,
        group: open.group,
        consumer_name: open.consumer_name,
        initial: streams::position("open.initial_position", open.initial_position, Position::TrimHorizon)?,
        flow_control: open.flow_control.map(queues::flow_control),
        session_timeout: convert::duration("open.session_timeout", open.session_timeout)?,
    })
}

fn read_commit(commit: &join_request::Commit) -> Result<Command, Refusal> {
    Ok(Command::Commit {
        commit_id: commit.commit_id,
        shard: shard_id("commit.shard_id", &commit.shard_id)?,
        number: sequence_number("commit.sequence_number", &commit.sequence_number)?,
        generation: commit.generation,
    })
}

fn read_released(released: &join_request::Released) -> Result<Command, Refusal> {
    Ok(Command::Released { shard: shard_id("released.shard_id", &released.shard_id)?, generation: released.generation })
}
