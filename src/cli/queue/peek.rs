//! `forebay queue peek`.

use super::message::MessageRecord;
use crate::{
    cli::{
        Failure,
        client::Caller,
        output::{Format, Output, print},
        value,
    },
    proto::queue::v1::{MessageState, PeekRequest},
};
use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Visible,
    InFlight,
    Delayed,
}

#[derive(Debug, Args)]
pub(super) struct PeekArgs {
    /// The queue
    queue: String,
    /// At most this many messages
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    limit: usize,
    /// Only messages in this state; may be repeated
    #[arg(long, value_name = "STATE")]
    state: Vec<State>,
    /// Only messages of this group
    #[arg(short, long, value_name = "ID", default_value = "", hide_default_value = true)]
    group: String,
    /// Cut bodies to this size
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = value::size)]
    max_body: u64,
}

impl PeekArgs {
    pub(super) async fn run(self, caller: &Caller, mut output: Output) -> Result<(), Failure> {
        let states = self.state.iter().map(|state| match state {
            State::Visible => MessageState::Visible as i32,
            State::InFlight => MessageState::InFlight as i32,
            State::Delayed => MessageState::Delayed as i32,
        });
        let mut request = PeekRequest {
            queue: self.queue,
            states: states.collect(),
            group_id: self.group,
            max_body_bytes: u32::try_from(self.max_body).unwrap_or(u32::MAX),
            ..PeekRequest::default()
        };
        let mut left = self.limit;
        let mut first = true;
        while left > 0 {
            request.page_size = i32::try_from(left.min(100)).unwrap_or(100);
            let page = caller.queues().peek(caller.request(request.clone())).await?.into_inner();
            for peeked in page.messages.into_iter().take(left) {
                left -= 1;
                let state = peeked.state();
                let record = MessageRecord::from(peeked.message.unwrap_or_default());
                let record = record.peeked(name(state), peeked.body_truncated);
                if output.format() == Format::Table {
                    if !std::mem::take(&mut first) {
                        print("\n")?;
                    }
                    output.one(&record)?;
                } else {
                    output.next(&record)?;
                }
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        if left == self.limit {
            output.note("no message");
        }
        output.end()
    }
}

fn name(state: MessageState) -> &'static str {
    match state {
        MessageState::Unspecified => "",
        MessageState::Visible => "visible",
        MessageState::InFlight => "in_flight",
        MessageState::Delayed => "delayed",
    }
}
