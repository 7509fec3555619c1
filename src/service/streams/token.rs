//! Tokens that clients carry back: where they were in a shard or a list.

use crate::service::broker::Broker;

impl Broker {
    /// Bytes as text that this store alone can make, and knows again after a restart.
    pub fn seal_token(&self, bytes: &[u8]) -> String {
        self.engine.seal_token(bytes)
    }

    /// The bytes of such a text. None: this store did not make it.
    pub fn open_token(&self, text: &str) -> Option<Vec<u8>> {
        self.engine.open_token(text)
    }
}
