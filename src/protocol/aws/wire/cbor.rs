//! CBOR, the form of Smithy's second RPC protocol, read into the same values as JSON.

use super::json::Json;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::borrow::Cow;

/// Lists and maps inside of each other.
const DEPTH_MAX: usize = 64;
const BREAK: u8 = 0xff;
/// The additional information of something that ends with a break.
const OPEN_END: u8 = 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body is not CBOR of this protocol")]
pub(in crate::protocol::aws) struct NotCbor;

type Read<T> = Result<T, NotCbor>;

/// Reads one map, the input of every operation. No bytes at all mean an empty one; bytes inside of it become base64, moments
/// the number of their seconds.
pub(in crate::protocol::aws) fn parse(bytes: &[u8]) -> Read<Json<'_>> {
    if bytes.is_empty() {
        return Ok(Json::Object(Vec::new()));
    }
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    let is_whole = reader.rest.is_empty() && value.as_members().is_some();
    is_whole.then_some(value).ok_or(NotCbor)
}

/// A map of texts, as answers need it.
pub(in crate::protocol::aws) fn texts(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 5, pairs.len());
    for text in pairs.iter().flat_map(|(name, value)| [*name, *value]) {
        head(&mut out, 3, text.len());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

fn head(out: &mut Vec<u8>, major: u8, length: usize) {
    match u8::try_from(length) {
        Ok(length) if length < 24 => out.push(major << 5 | length),
        _ => {
            out.push(major << 5 | 26);
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(NotCbor)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| NotCbor)
    }

    /// Whether a break comes next; it is taken then.
    fn ends(&mut self) -> Read<bool> {
        let is_break = *self.rest.first().ok_or(NotCbor)? == BREAK;
        if is_break {
            self.take(1)?;
        }
        Ok(is_break)
    }

    /// Major type and additional information.
    fn first(&mut self) -> Read<(u8, u8)> {
        let [byte] = self.array()?;
        Ok((byte >> 5, byte & 31))
    }

    fn argument(&mut self, info: u8) -> Read<u64> {
        match info {
            0..24 => Ok(u64::from(info)),
            24 => Ok(u64::from(u8::from_be_bytes(self.array()?))),
            25 => Ok(u64::from(u16::from_be_bytes(self.array()?))),
            26 => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            27 => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(NotCbor),
        }
    }

    fn value(&mut self, depth: usize) -> Read<Json<'a>> {
        if depth > DEPTH_MAX {
            return Err(NotCbor);
        }
        let (major, info) = self.first()?;
        match major {
            0 => {
                let number = self.argument(info)?;
                Ok(i64::try_from(number).map_or(Json::Real(number as f64), Json::Integer))
            }
            1 => {
                let number = self.argument(info)?;
                Ok(i64::try_from(number).map_or(Json::Real(-1.0 - number as f64), |number| Json::Integer(-1 - number)))
            }
            2 => Ok(Json::Text(BASE64.encode(self.string(2, info)?).into())),
            3 => self.text(info).map(Json::Text),
            4 => self.list(info, depth),
            5 => self.map(info, depth),
            6 => {
                self.argument(info)?;
                self.value(depth + 1)
            }
            _ => self.simple(info),
        }
    }

    fn simple(&mut self, info: u8) -> Read<Json<'a>> {
        match info {
            20 | 21 => Ok(Json::Flag(info == 21)),
            22 | 23 => Ok(Json::Null),
            25 => Ok(Json::Real(half(u16::from_be_bytes(self.array()?)))),
            26 => Ok(Json::Real(f64::from(f32::from_be_bytes(self.array()?)))),
            27 => Ok(Json::Real(f64::from_be_bytes(self.array()?))),
            _ => Err(NotCbor),
        }
    }

    /// Bytes or text, in one piece or in several.
    fn string(&mut self, major: u8, info: u8) -> Read<Cow<'a, [u8]>> {
        if info != OPEN_END {
            let length = usize::try_from(self.argument(info)?).map_err(|_| NotCbor)?;
            return self.take(length).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        while !self.ends()? {
            let (piece, info) = self.first()?;
            if piece != major || info == OPEN_END {
                return Err(NotCbor);
            }
            whole.extend_from_slice(&self.string(major, info)?);
        }
        Ok(Cow::Owned(whole))
    }

    fn text(&mut self, info: u8) -> Read<Cow<'a, str>> {
        match self.string(3, info)? {
            Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| NotCbor),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| NotCbor),
        }
    }

    /// Calls `element` as often as there are elements.
    fn each(&mut self, info: u8, mut element: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        if info == OPEN_END {
            while !self.ends()? {
                element(self)?;
            }
            return Ok(());
        }
        let count = self.argument(info)?;
        (0..count).try_for_each(|_| element(self))
    }

    fn list(&mut self, info: u8, depth: usize) -> Read<Json<'a>> {
        let mut items = Vec::new();
        self.each(info, |reader| {
            items.push(reader.value(depth + 1)?);
            Ok(())
        })?;
        Ok(Json::List(items))
    }

    fn map(&mut self, info: u8, depth: usize) -> Read<Json<'a>> {
        let mut members = Vec::new();
        self.each(info, |reader| {
            let (major, info) = reader.first()?;
            let name = if major == 3 { reader.text(info)? } else { return Err(NotCbor) };
            members.push((name, reader.value(depth + 1)?));
            Ok(())
        })?;
        Ok(Json::Object(members))
    }
}

/// A number of sixteen bits.
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + mantissa) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(hex: &str) -> Read<Json<'static>> {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
        parse(bytes.leak())
    }

    /// The value of the only member, whose name is `a`.
    fn member(hex: &str) -> Json<'static> {
        let found = read(&format!("a16161{hex}")).unwrap_or_else(|_| panic!("{hex}"));
        found.as_members().expect("a map")[0].1.clone()
    }

    #[test]
    fn every_kind_of_value_is_read() {
        for (hex, expected) in [
            ("17", Json::Integer(23)),
            ("1903e8", Json::Integer(1000)),
            ("3903e7", Json::Integer(-1000)),
            ("1bffffffffffffffff", Json::Real(18_446_744_073_709_551_615.0)),
            ("f5", Json::Flag(true)),
            ("f6", Json::Null),
            ("fb3ff8000000000000", Json::Real(1.5)),
            ("fa3fc00000", Json::Real(1.5)),
            ("f93e00", Json::Real(1.5)),
            ("f90001", Json::Real(2_f64.powi(-24))),
            ("f9fc00", Json::Real(f64::NEG_INFINITY)),
            ("62c3bc", Json::Text("ü".into())),
            ("7f61616162ff", Json::Text("ab".into())),
            ("4200ff", Json::Text("AP8=".into())),
            ("5f4100ff", Json::Text("AA==".into())),
            ("c11a65a5a000", Json::Integer(1_705_353_216)),
            ("820102", Json::List(vec![Json::Integer(1), Json::Integer(2)])),
            ("9f01ff", Json::List(vec![Json::Integer(1)])),
            ("bf616201ff", Json::Object(vec![("b".into(), Json::Integer(1))])),
        ] {
            assert_eq!(member(hex), expected, "{hex}");
        }
        assert_eq!(parse(b""), Ok(Json::Object(Vec::new())));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let deep = "81".repeat(100_000);
        for bad in [
            "01",
            "a1",
            "a16161",
            "a10101",
            "a1616101ff",
            "bf6161",
            "a161617f4161ff",
            "a161611c",
            "a161619b7fffffffffffffff",
            &format!("a16161{deep}"),
        ] {
            assert_eq!(read(bad), Err(NotCbor), "{:.40}", bad);
        }
    }

    #[test]
    fn texts_are_written_so_that_they_are_read_again() {
        let long = "x".repeat(300);
        let bytes = texts(&[("__type", "a"), ("message", &long)]);
        let expected =
            vec![("__type".into(), Json::Text("a".into())), ("message".into(), Json::Text(long.as_str().into()))];
        assert_eq!(parse(&bytes), Ok(Json::Object(expected)));
    }
}
