//! Receipt handles: a lease as text that clients can keep and nobody can make up.
//!
//! Base64 (URL alphabet) of `version u8 | partition u32 | queue u64 | seq u64 | lease u64 | mac[16]`, numbers little
//! endian; the MAC is HMAC-SHA-256 under the store's secret, cut to 16 bytes. The same text is the ReceiptHandle of
//! the AWS protocol.

use crate::{
    base::{
        id::{LeaseId, MessageSeq, PartitionId, QueueId},
        reason::{Reason, Refusal},
    },
    engine::message::Receipt,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const VERSION: u8 = 1;
/// Stands where a handle has its version.
const SEALED: u8 = 2;
const BODY_BYTES: usize = 29;
const MAC_BYTES: usize = 16;

/// Writes and reads receipt handles of one store.
pub(crate) struct Receipts(Hmac<Sha256>);

impl Receipts {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    pub(crate) fn handle(&self, receipt: &Receipt) -> String {
        let body = body(receipt);
        let mac = self.mac(&body).finalize().into_bytes();
        let mut bytes = [0; BODY_BYTES + MAC_BYTES];
        let all = body.iter().chain(mac.iter().take(MAC_BYTES));
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    ///
    /// `RECEIPT_HANDLE_INVALID`: this store never gave out that text.
    pub(crate) fn parse(&self, handle: &str) -> Result<Receipt, Refusal> {
        let invalid = || {
            let shown: String = handle.chars().take(80).collect();
            Refusal::new(Reason::ReceiptHandleInvalid, format!("{shown:?} is not a receipt handle of this broker"))
                .at("receipt_handle")
        };
        // A text that does not fit is not a handle.
        let mut bytes = [0; BODY_BYTES + MAC_BYTES];
        let len = URL_SAFE_NO_PAD.decode_slice(handle, &mut bytes).map_err(|_| invalid())?;
        let (body, mac) = bytes.get(..len).and_then(|bytes| bytes.split_at_checked(BODY_BYTES)).ok_or_else(invalid)?;
        if mac.len() != MAC_BYTES {
            return Err(invalid());
        }
        self.mac(body).verify_truncated_left(mac).map_err(|_| invalid())?;
        read(body).ok_or_else(invalid)
    }

    /// Any bytes as text that nobody else can make up: base64 of `2 u8 | bytes | mac[16]`. The first byte tells such a
    /// text from a handle.
    pub(crate) fn seal(&self, bytes: &[u8]) -> String {
        let mut sealed = vec![SEALED];
        sealed.extend_from_slice(bytes);
        let mac = self.mac(&sealed).finalize().into_bytes();
        sealed.extend(mac.iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The bytes of such a text. None: this store did not make it.
    pub(crate) fn open(&self, text: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, mac) = sealed.split_at_checked(sealed.len().checked_sub(MAC_BYTES)?)?;
        self.mac(body).verify_truncated_left(mac).ok()?;
        body.strip_prefix(&[SEALED]).map(<[u8]>::to_vec)
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(body);
        mac
    }
}

fn body(receipt: &Receipt) -> [u8; BODY_BYTES] {
    let mut bytes = [0; BODY_BYTES];
    bytes[0] = VERSION;
    bytes[1..5].copy_from_slice(&receipt.partition.0.to_le_bytes());
    bytes[5..13].copy_from_slice(&receipt.queue.0.to_le_bytes());
    bytes[13..21].copy_from_slice(&receipt.seq.0.to_le_bytes());
    bytes[21..29].copy_from_slice(&receipt.lease.0.to_le_bytes());
    bytes
}

fn read(body: &[u8]) -> Option<Receipt> {
    let number = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
    if body.first() != Some(&VERSION) {
        return None;
    }
    Some(Receipt {
        partition: PartitionId(u32::from_le_bytes(body.get(1..5)?.try_into().ok()?)),
        queue: QueueId(number(5)?),
        seq: MessageSeq(number(13)?),
        lease: LeaseId(number(21)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECEIPT: Receipt =
        Receipt { partition: PartitionId(3), queue: QueueId(7), seq: MessageSeq(1 << 40), lease: LeaseId(9) };

    #[test]
    fn a_handle_reads_back() {
        let receipts = Receipts::new(&[1; 32]);
        let handle = receipts.handle(&RECEIPT);
        assert_eq!(receipts.parse(&handle), Ok(RECEIPT));
    }

    #[test]
    fn a_handle_with_one_changed_bit_is_refused() {
        let receipts = Receipts::new(&[1; 32]);
        let good = URL_SAFE_NO_PAD.decode(receipts.handle(&RECEIPT)).expect("base64");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let refused = receipts.parse(&URL_SAFE_NO_PAD.encode(bad)).expect_err("a changed handle");
            assert_eq!(refused.reason, Reason::ReceiptHandleInvalid, "bit {bit}");
        }
    }

    #[test]
    fn another_stores_handle_and_garbage_are_refused() {
        let receipts = Receipts::new(&[1; 32]);
        let foreign = Receipts::new(&[2; 32]).handle(&RECEIPT);
        for bad in [foreign.as_str(), "", "garbage", "ä", &"A".repeat(60), &"A".repeat(4000)] {
            assert!(receipts.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sealed_bytes_come_back_and_nothing_else_passes_for_them() {
        let receipts = Receipts::new(&[1; 32]);
        for bytes in [&b""[..], b"a", &[7; 300]] {
            let sealed = receipts.seal(bytes);
            assert_eq!(receipts.open(&sealed).as_deref(), Some(bytes));
            assert_eq!(Receipts::new(&[2; 32]).open(&sealed), None);
            let mut changed = URL_SAFE_NO_PAD.decode(&sealed).expect("base64");
            changed[0] ^= 3;
            assert_eq!(receipts.open(&URL_SAFE_NO_PAD.encode(changed)), None);
            assert!(receipts.parse(&sealed).is_err());
        }
        assert_eq!(receipts.open(&receipts.handle(&RECEIPT)), None, "a handle is nothing else");
        assert!(["", "A", "garbage", "ä"].iter().all(|bad| receipts.open(bad).is_none()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_or_passes_for_a_handle(text in prop_oneof![".{0,200}", "[A-Za-z0-9_-]{60}"]) {
            prop_assert!(Receipts::new(&[1; 32]).parse(&text).is_err());
        }

        #[test]
        fn no_bytes_with_a_mac_of_ours_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), BODY_BYTES)) {
            let receipts = Receipts::new(&[1; 32]);
            let mac = receipts.mac(&body).finalize().into_bytes();
            let handle = URL_SAFE_NO_PAD.encode([&body[..], &mac[..MAC_BYTES]].concat());
            prop_assert_eq!(receipts.parse(&handle).is_ok(), body[0] == VERSION);
        }

        #[test]
        fn a_handle_with_other_bytes_in_it_is_refused(at in 0..60usize, letter in "[A-Za-z0-9_ä=-]", cut in 0..60usize) {
            let receipts = Receipts::new(&[1; 32]);
            let good = receipts.handle(&RECEIPT);
            let changed = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
            prop_assert_eq!(receipts.parse(&changed).is_ok(), changed == good);
            prop_assert!(receipts.parse(&good[..cut]).is_err() && receipts.parse(&(good + &letter)).is_err());
        }
    }
}
