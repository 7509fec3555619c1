//! `Consume`: how its session's frames are spelled.

use super::{
    call::Call,
    convert, messages, queues,
    session::{Events, Kind, Said},
};
use crate::{
    base::reason::Refusal,
    proto::queue::v1::{
        ConsumeRequest, ConsumeResponse,
        consume_request::{self, Frame as Asked},
        consume_response::{Delivery, Draining, Frame, Heartbeat, Opened, SettledThrough},
    },
    protocol::port::drain::DrainControl,
    service::consume::{
        open::OpenConsume,
        session::{Command, ConsumeSession, Event},
    },
};
use tokio_stream::Stream;

pub(super) struct Consume;

impl Kind for Consume {
    type Request = ConsumeRequest;
    type Response = ConsumeResponse;
    type Open = consume_request::Open;
    type Command = Command;
    type Event = Event;
    type Session = ConsumeSession;
    const COMMANDS: &'static str = "settle and flow_control";

    fn read(request: ConsumeRequest) -> Option<Said<Self>> {
        Some(match request.frame? {
            Asked::Open(open) => Said::Open(open),
            Asked::Settle(settle) => {
                let settlements = messages::settlements(settle.settlements);
                Said::Command(
                    settlements.map(|settlements| Command::Settle { settle_id: settle.settle_id, settlements }),
                )
            }
            Asked::FlowControl(flow) => Said::Command(Ok(Command::Flow(queues::flow_control(flow)))),
        })
    }

    async fn begin(call: &Call, open: consume_request::Open) -> Result<ConsumeSession, Refusal> {
        call.broker().open_consume(call.caller(), read_open(open)?).await
    }

    async fn run(
        session: ConsumeSession,
        commands: impl Stream<Item = Result<Command, Refusal>> + Send,
        events: Events<Self>,
    ) {
        session.run(commands, events).await;
    }

    fn spell(call: &Call, drain: &DrainControl, event: Event) -> ConsumeResponse {
        let frame = match event {
            Event::Opened { session_id, queue } => Frame::Opened(Opened {
                session_id: session_id.to_string(),
                queue: Some(queues::queue(call.broker().region(), *queue)),
            }),
            Event::Delivery(received) => {
                let spell = |message| messages::received(call.broker(), message);
                Frame::Delivery(Delivery { messages: received.into_iter().map(spell).collect() })
            }
            Event::SettledThrough { settle_id, failures } => {
                Frame::SettledThrough(SettledThrough { settle_id, failures: messages::failures(failures) })
            }
            Event::Heartbeat(figures) => Frame::Heartbeat(Heartbeat { stats: Some(queues::stats(figures)) }),
            Event::Draining => Frame::Draining(Draining { grace: Some(convert::to_duration(drain.grace())) }),
        };
        ConsumeResponse { frame: Some(frame) }
    }
}

fn read_open(open: consume_request::Open) -> Result<OpenConsume, Refusal> {
    Ok(OpenConsume {
        queue: open.queue,
        consumer_name: open.consumer_name,
        flow_control: open.flow_control.map(queues::flow_control),
        visibility_timeout: convert::duration("open.visibility_timeout", open.visibility_timeout)?,
        max_lease: convert::duration("open.max_lease", open.max_lease)?,
        release_grace: convert::duration("open.release_grace", open.release_grace)?,
        max_batch_delay: convert::duration("open.max_batch_delay", open.max_batch_delay)?,
        resume_session_id: open.resume_session_id,
        held_receipt_handles: open.held_receipt_handles,
    })
}
