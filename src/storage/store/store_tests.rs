//! Opening and committing as a whole, over the simulated disk: crashes at every call, damage, foreign directories.
