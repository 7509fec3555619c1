//! An index page's payload: the frame it is current at, and the packed messages.

use crate::{base::id::Lsn, domain::queue::Page, engine::journal::DecodeError};

const LSN_BYTES: usize = 8;

/// The page's bytes; `lsn` is the frame it is current at.
pub(crate) fn encode_page(lsn: Lsn, page: &Page) -> Vec<u8> {
    [lsn.0.to_le_bytes().as_slice(), &page.to_bytes()].concat()
}

/// The messages are not read yet.
pub(crate) fn decode_page(bytes: &[u8]) -> Result<(Lsn, Page), DecodeError> {
    let (lsn, page) = bytes.split_first_chunk::<LSN_BYTES>().ok_or(DecodeError::Missing("frame number"))?;
    let page = Page::from_bytes(page).map_err(|_| DecodeError::Malformed("its groups"))?;
    Ok((Lsn(u64::from_le_bytes(*lsn)), page))
}
