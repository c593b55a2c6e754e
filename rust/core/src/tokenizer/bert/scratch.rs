//! Caches and buffers of a call of BERT's tokenizer, kept for later calls.

use std::path::Path;
use std::sync::Mutex;

use crate::cpus::usable_cpus;
use crate::tokenizer::bert::normalize::Aligned;
use crate::tokenizer::bert::runs::{MAX_RUNS, Run};
use crate::tokenizer::bert::word_cache::{Key, WordCache};
use crate::tokenizer::bert::wordpiece::Piece;

/// A run and its place in the cache.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Probe {
    pub(crate) run: Run,
    pub(crate) key: Key,
}

/// The runs of the block that is written and of the one after it.
#[derive(Debug)]
pub(crate) struct Probes {
    pub(crate) current: [Probe; MAX_RUNS],
    pub(crate) next: [Probe; MAX_RUNS],
}

impl Default for Probes {
    fn default() -> Probes {
        Probes { current: [Probe::default(); MAX_RUNS], next: [Probe::default(); MAX_RUNS] }
    }
}

/// Cache and buffers of one call.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) cache: WordCache,
    /// None while a call works with them.
    pub(crate) probes: Option<Box<Probes>>,
    pub(crate) aligned: Vec<Aligned>,
    pub(crate) pieces: Vec<Piece>,
}

/// Scratches of finished calls, for later ones; as many as calls can run at once.
#[derive(Debug)]
pub(crate) struct Scratches(Box<[Mutex<Option<Scratch>>]>);

impl Scratches {
    /// For calls of at least so many threads.
    pub(crate) fn new(threads: usize) -> Scratches {
        let places = usable_cpus(Path::new("/")).max(threads);
        Scratches((0..places).map(|_| Mutex::new(None)).collect())
    }

    /// Never waits: in a forked child a lock may belong to a thread that is not there.
    pub(crate) fn take(&self) -> Scratch {
        let left = self.0.iter().find_map(|place| place.try_lock().ok()?.take());
        left.unwrap_or_else(|| Scratch {
            cache: WordCache::new(),
            probes: None,
            aligned: Vec::new(),
            pieces: Vec::new(),
        })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.0.iter().filter(|place| crate::pool::lock(place).is_some()).count()
    }

    /// Leave it where there is room; dropped where there is none.
    pub(crate) fn give_back(&self, mut scratch: Scratch) {
        scratch.aligned.shrink_to(1 << 16);
        scratch.pieces.shrink_to(1 << 16);
        let mut free = self.0.iter().filter_map(|place| place.try_lock().ok());
        if let Some(mut place) = free.find(|place| place.is_none()) {
            *place = Some(scratch);
        }
    }
}
