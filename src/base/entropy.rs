//! Randomness as an argument, so that a seed reproduces a run.

/// A source of random bytes. The adapter over the operating system lives in `runtime`.
pub trait Entropy: Send + 'static {
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Sixteen random bytes.
pub fn random_16(entropy: &mut dyn Entropy) -> [u8; 16] {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes
}
