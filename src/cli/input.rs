//! What a command reads: from its arguments, a file or standard input.

use super::Failure;
use bytes::Bytes;
use std::{
    fs,
    io::{self, BufRead as _, Read as _},
};

/// Lines without their ends.
pub(crate) type Lines = Box<dyn Iterator<Item = io::Result<String>>>;

/// Everything, as it is: of the file, else of the text; `-` is standard input.
pub(crate) fn whole(file: Option<&str>, text: Option<&str>) -> Result<Bytes, Failure> {
    Ok(match (file, text) {
        (Some("-"), _) | (None, Some("-")) => {
            let mut all = Vec::new();
            io::stdin().lock().read_to_end(&mut all)?;
            all.into()
        }
        (Some(file), _) => fs::read(file).map_err(|error| Failure::failed(format!("{file}: {error}")))?.into(),
        (None, text) => Bytes::from(text.unwrap_or_default().to_owned()),
    })
}

/// The same line by line, as they come.
pub(crate) fn lines(file: Option<&str>, text: Option<&str>) -> Result<Lines, Failure> {
    Ok(match (file, text) {
        (Some("-"), _) | (None, Some("-")) => Box::new(io::stdin().lock().lines()),
        (Some(file), _) => {
            let file = fs::File::open(file).map_err(|error| Failure::failed(format!("{file}: {error}")))?;
            Box::new(io::BufReader::new(file).lines())
        }
        (None, text) => {
            let lines: Vec<_> = text.unwrap_or_default().lines().map(|line| Ok(line.to_owned())).collect();
            Box::new(lines.into_iter())
        }
    })
}
