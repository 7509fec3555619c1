//! `--format`: how one record is written, in the letters of `rpk` and `kcat`.

use crate::{cli::value::show_time, proto::stream::v1::Record};
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// As they are.
    Raw,
    /// As text; what is none is replaced.
    Utf8,
    Hex,
    Base64,
    /// As a string of JSON, quoted.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Sequence,
    Shard,
    Time,
    Key(Coding),
    Data(Coding),
}

/// Pieces, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// The data and a new line.
    pub(super) fn raw() -> Self {
        Self(vec![Piece::Data(Coding::Raw), Piece::Text("\n".to_owned())])
    }

    /// Reads `%s %k %v{hex}\n`; for clap.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(letter) = take(&mut rest) {
            let piece = match letter {
                '\\' => Piece::Text(escaped(take(&mut rest))?.to_string()),
                '%' => directive(&mut rest)?,
                other => Piece::Text(other.to_string()),
            };
            if let (Some(Piece::Text(before)), Piece::Text(more)) = (pieces.last_mut(), &piece) {
                before.push_str(more);
            } else {
                pieces.push(piece);
            }
        }
        Ok(Self(pieces))
    }

    pub(super) fn write(&self, shard: &str, record: &Record, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Sequence => out.extend_from_slice(record.sequence_number.as_bytes()),
                Piece::Shard => out.extend_from_slice(shard.as_bytes()),
                Piece::Time => out.extend_from_slice(show_time(record.arrival_time).as_bytes()),
                Piece::Key(coding) => coding.write(record.partition_key.as_bytes(), out),
                Piece::Data(coding) => coding.write(&record.data, out),
            }
        }
    }
}

impl Coding {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "utf8" => Self::Utf8,
            "hex" => Self::Hex,
            "base64" => Self::Base64,
            "json" => Self::Json,
            _ => return Err(format!("{{{name}}} is not {{utf8}}, {{hex}}, {{base64}} or {{json}}")),
        })
    }

    fn write(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.extend_from_slice(bytes),
            Self::Utf8 => out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes()),
            Self::Hex => bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes())),
            Self::Base64 => out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes()),
            Self::Json => {
                let text = serde_json::Value::from(String::from_utf8_lossy(bytes));
                out.extend_from_slice(text.to_string().as_bytes());
            }
        }
    }
}

/// The next letter, taken off.
fn take(rest: &mut &str) -> Option<char> {
    let mut letters = rest.chars();
    let letter = letters.next();
    *rest = letters.as_str();
    letter
}

fn escaped(letter: Option<char>) -> Result<char, String> {
    match letter {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('0') => Ok('\0'),
        Some('\\') => Ok('\\'),
        Some(other) => Err(format!("\\{other} is not \\n, \\r, \\t, \\0 or \\\\")),
        None => Err("a \\ stands at the end".to_owned()),
    }
}

/// What stands behind a percent sign.
fn directive(rest: &mut &str) -> Result<Piece, String> {
    let letter = take(rest);
    let mut coding = Coding::Raw;
    if let (Some('k' | 'v'), Some(behind)) = (letter, rest.strip_prefix('{')) {
        let (name, behind) = behind.split_once('}').ok_or("a { has no }")?;
        coding = Coding::parse(name)?;
        *rest = behind;
    }
    match letter {
        Some('s') => Ok(Piece::Sequence),
        Some('p') => Ok(Piece::Shard),
        Some('t') => Ok(Piece::Time),
        Some('k') => Ok(Piece::Key(coding)),
        Some('v') => Ok(Piece::Data(coding)),
        Some('%') => Ok(Piece::Text("%".to_owned())),
        Some(other) => Err(format!("%{other} is not %s, %p, %t, %k, %v or %%")),
        None => Err("a % stands at the end".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str) -> Vec<u8> {
        let record = Record {
            sequence_number: "496".into(),
            partition_key: "a\"b".into(),
            data: b"x\xffy".to_vec().into(),
            arrival_time: Some(prost_types::Timestamp { seconds: 1_795_996_800, nanos: 0 }),
        };
        let mut out = Vec::new();
        Template::parse(format).expect(format).write("shardId-7", &record, &mut out);
        out
    }

    #[test]
    fn every_directive_writes_its_part() {
        let table: [(&str, &[u8]); 8] = [
            ("%s %p\\n", b"496 shardId-7\n"),
            ("%t", b"2026-11-30T00:00:00Z"),
            ("%v", b"x\xffy"),
            ("%v{utf8}|%v{hex}", "x\u{fffd}y|78ff79".as_bytes()),
            ("%v{base64}", b"eP95"),
            ("%k=%k{json}", b"a\"b=\"a\\\"b\""),
            ("100%%\\t\\\\", b"100%\t\\"),
            ("", b""),
        ];
        for (format, expected) in table {
            assert_eq!(written(format), expected, "{format}");
        }
    }

    #[test]
    fn a_format_that_means_nothing_is_refused() {
        for (format, why) in [
            ("%x", "%x is not %s, %p, %t, %k, %v or %%"),
            ("%", "at the end"),
            ("\\", "at the end"),
            ("\\q", "\\q is not"),
            ("%v{hex", "has no }"),
            ("%v{rot13}", "{rot13} is not"),
        ] {
            let error = Template::parse(format).expect_err(format);
            assert!(error.contains(why), "{format}: {error}");
        }
    }
}
