//! The ARN of a queue over a stream. Its last part is made when the queue is, and says where the queue stands.

use super::{
    id::{StreamId, StreamQueueId},
    name::{AccountId, Namespace, Region},
};
use std::fmt;

const PREFIX: &str = "queue/";
/// Of each of the two numbers, in hexadecimal.
const DIGITS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamQueueArn {
    pub account: AccountId,
    pub region: Region,
    pub stream: StreamId,
    pub queue: StreamQueueId,
}

impl StreamQueueArn {
    /// Reads `arn:aws:kinesis:{region}:{account}:queue/{stream}{queue}`. None: this server makes no such ARN.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || !partition.starts_with("aws") || service != "kinesis" {
            return None;
        }
        let (stream, queue) = resource.strip_prefix(PREFIX)?.split_at_checked(DIGITS)?;
        Some(Self {
            account: AccountId::parse(account).ok()?,
            region: Region::parse(region).ok()?,
            stream: StreamId(number(stream)?),
            queue: StreamQueueId(number(queue)?),
        })
    }

    /// The last part, which policies name too.
    pub fn resource(&self) -> String {
        format!("{PREFIX}{:016x}{:016x}", self.stream.0, self.queue.0)
    }

    pub fn namespace(&self) -> Namespace {
        Namespace { account: self.account.clone(), region: self.region.clone() }
    }
}

/// Only as it is written here: a queue has one ARN.
fn number(digits: &str) -> Option<u64> {
    let written = digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    written.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

impl fmt::Display for StreamQueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:kinesis:{}:{}:{}", self.region, self.account, self.resource())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_and_no_other_spelling_of_it_does() {
        let arn = StreamQueueArn {
            account: AccountId::parse("123456789012").expect("valid"),
            region: Region::parse("eu-west-1").expect("valid"),
            stream: StreamId(0xab),
            queue: StreamQueueId(u64::MAX),
        };
        let text = arn.to_string();
        assert_eq!(text, "arn:aws:kinesis:eu-west-1:123456789012:queue/00000000000000abffffffffffffffff");
        assert_eq!(StreamQueueArn::parse(&text), Some(arn));
        let bad = [
            text.replace("ab", "AB"),
            text.replace("queue/", "queue/+"),
            text.replace("queue/", "stream/"),
            text.replace("kinesis", "sqs"),
            text.replace("123456789012", "12"),
            format!("{text}0"),
            text.replace("00ab", "0\u{e4}b"),
            String::new(),
        ];
        for text in bad {
            assert_eq!(StreamQueueArn::parse(&text), None, "{text}");
        }
    }
}
