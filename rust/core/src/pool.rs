//! A thread pool that gives the same result at any thread count and survives a fork.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Threads at most: more than any machine this is meant for has.
const MAX_THREADS: usize = 1024;

/// Runs independent tasks. The threads start with the first parallel call.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
    /// The threads, and the process that they live in: a forked child has none of them.
    running: Mutex<Option<(u32, Arc<ThreadPool>)>>,
}

impl Pool {
    /// A pool of some threads; None: as many as the process may use.
    ///
    /// # Errors
    /// `Error::Argument`: no threads, or absurdly many.
    pub fn new(threads: Option<usize>) -> Result<Pool> {
        let threads = threads.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get));
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(Error::argument("threads", threads, format!("1 to {MAX_THREADS}")));
        }
        Ok(Pool { threads, running: Mutex::new(None) })
    }

    /// Threads that work at once.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The results of `task` for each item, in the order of the items.
    pub(crate) fn map<I: Send, T: Send>(&self, items: Vec<I>, task: impl Fn(I) -> T + Sync + Send) -> Vec<T> {
        match (items.len() > 1 && self.threads > 1).then(|| self.start()).flatten() {
            Some(pool) => pool.install(|| items.into_par_iter().with_max_len(1).map(task).collect()),
            None => items.into_iter().map(task).collect(),
        }
    }

    /// The running threads, or None when the system gives none: the caller then works alone.
    fn start(&self) -> Option<Arc<ThreadPool>> {
        let process = std::process::id();
        // A thread that held this lock when the process forked does not exist in the child.
        let mut running = match self.running.try_lock() {
            Ok(running) => running,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        if let Some((owner, pool)) = &*running
            && *owner == process
        {
            return Some(Arc::clone(pool));
        }
        let name = |i| format!("spanjet-{i}");
        let pool = ThreadPoolBuilder::new().num_threads(self.threads).thread_name(name).build().ok()?;
        let pool = Arc::new(pool);
        if let Some(parents) = running.replace((process, Arc::clone(&pool))) {
            // Its threads are the parent's: stopping them from here could wait for ever.
            std::mem::forget(parents);
        }
        Some(pool)
    }
}
