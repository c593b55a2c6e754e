//! A thread pool that gives the same result at any thread count and survives a fork.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cpus::usable_cpus;
use crate::error::{Error, Result};

/// Threads at most: more than any machine this is meant for has.
const MAX_THREADS: usize = 1024;

/// Elements below which another thread costs more to wake than it saves in filling them.
const TASK_ELEMENTS: usize = 1 << 15;

/// Runs independent tasks. The threads, one less than may work at once, start with the first parallel call.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    /// The threads, and the process that they live in: a forked child has none of them.
    running: Mutex<Option<(u32, Arc<ThreadPool>)>>,
}

impl Pool {
    /// Make a pool of some threads; None: as many as the process may use.
    ///
    /// # Errors
    /// `Error::Argument`: no threads, or absurdly many.
    pub(crate) fn new(threads: Option<usize>) -> Result<Pool> {
        let threads = threads.unwrap_or_else(|| usable_cpus(Path::new("/")).min(MAX_THREADS));
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(Error::argument("threads", threads, format!("1 to {MAX_THREADS}")));
        }
        Ok(Pool { threads, running: Mutex::new(None) })
    }

    /// Threads that work at once.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Call `task` with 0, 1, … `count` - 1, in order of start, on this thread and the pool's. The caller
    /// works too: a task is under way before another thread has woken up.
    pub(crate) fn for_each(&self, count: usize, task: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                task(index);
            }
        };
        match (count > 1 && self.threads > 1).then(|| self.start()).flatten() {
            Some(pool) => pool.in_place_scope(|scope| {
                for _ in 1..self.threads.min(count) {
                    scope.spawn(|_| work());
                }
                work();
            }),
            None => work(),
        }
    }

    /// Make a value of each item, and hand them to `take` in the order of the items, one at a time, while
    /// others are still being made.
    pub(crate) fn map_in_order<I: Send, T: Send, F: FnMut(T) + Send>(
        &self,
        items: Vec<I>,
        make: impl Fn(I) -> T + Sync,
        take: F,
    ) {
        let items: Vec<_> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
        let made: Vec<_> = items.iter().map(|_| Mutex::new(None)).collect();
        let taker = Mutex::new((0, take));
        let take_ready = |(taken, take): &mut (usize, F)| {
            while let Some(value) = made.get(*taken).and_then(|value| lock(value).take()) {
                take(value);
                *taken += 1;
            }
        };
        self.for_each(items.len(), |index| {
            let item = lock(&items[index]).take();
            *lock(&made[index]) = item.map(&make);
            // A thread that finds another one taking goes on: that one, or a later one, takes its value.
            if let Ok(mut taker) = taker.try_lock() {
                take_ready(&mut taker);
            }
        });
        take_ready(&mut lock(&taker));
    }

    /// Collect the results of `task` for each item, in the order of the items.
    pub(crate) fn map<I: Send, T: Send>(&self, items: Vec<I>, task: impl Fn(I) -> T + Sync) -> Vec<T> {
        let mut results = Vec::with_capacity(items.len());
        self.map_in_order(items, task, |result| results.push(result));
        results
    }

    /// Call `fill` with each row of `values` and its index; row i ends before element `end(i)`.
    pub(crate) fn fill_rows<T: Send>(
        &self,
        values: &mut [T],
        rows: usize,
        end: impl Fn(usize) -> usize + Sync,
        fill: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let begin = |row: usize| row.checked_sub(1).map_or(0, &end);
        let mut tasks = Vec::new();
        let (mut free, mut first) = (values, 0);
        for row in 0..rows {
            let elements = end(row) - begin(first);
            if elements >= TASK_ELEMENTS || row + 1 == rows {
                let (own, later) = free.split_at_mut(elements);
                tasks.push((first..row + 1, own));
                (free, first) = (later, row + 1);
            }
        }
        self.map(tasks, |(rows, mut free)| {
            for row in rows {
                let (own, later) = std::mem::take(&mut free).split_at_mut(end(row) - begin(row));
                fill(row, own);
                free = later;
            }
        });
    }

    /// Start the threads, unless they run; None when the system gives none: the caller then works alone.
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
        let pool = ThreadPoolBuilder::new().num_threads(self.threads - 1).thread_name(name).build().ok()?;
        let pool = Arc::new(pool);
        if let Some(parents) = running.replace((process, Arc::clone(&pool))) {
            // Its threads are the parent's: stopping them from here could wait for ever.
            std::mem::forget(parents);
        }
        Some(pool)
    }
}

/// Lock, also after a panic of another thread: tasks do not share what they change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
