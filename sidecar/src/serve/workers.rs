//! Threads that serve connections, each with a runtime of its own.
//!
//! A connection stays with the thread it was given to, from its first byte to its last, and so does every connection to an
//! application that is made for it: no request wakes another thread. What that gains over one runtime that shares its tasks
//! among all threads, `tests/workers` measures.
//!
//! One socket is accepted from, and each connection goes to the thread with the fewest. The operating system would share them
//! out as well (`SO_REUSEPORT`), by chance, and lose those that wait in the queue of a socket that is closed.

use std::{
    cell::Cell,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
};

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// Which worker this thread is, counted from 1; 0 for every other thread.
pub(crate) fn current() -> usize {
    NUMBER.get()
}

/// The threads. They end with the value, and what runs on them ends then.
pub struct Workers {
    all: Box<[Worker]>,
    /// Dropped, it ends them.
    stop: Option<watch::Sender<()>>,
}

struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// If the operating system has no more threads or descriptors.
    pub fn start(count: usize) -> io::Result<Arc<Self>> {
        let (stop, stopped) = watch::channel(());
        let all = (1..=count.max(1))
            .map(|number| Worker::start(number, stopped.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { all, stop: Some(stop) }))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The one that serves the fewest connections, and the place of one more.
    pub(super) fn next(&self) -> Option<(&Handle, Place)> {
        let least = self.all.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))?;
        least.connections.fetch_add(1, Ordering::Relaxed);
        Some((&least.runtime, Place(Arc::clone(&least.connections))))
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("count", &self.count()).finish()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop = None;
        for worker in &mut self.all {
            // A thread that panicked has ended.
            let _ = worker.thread.take().map(JoinHandle::join);
        }
    }
}

impl Worker {
    fn start(number: usize, mut stopped: watch::Receiver<()>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name(format!("orgate-{number}")).spawn(move || {
            NUMBER.set(number);
            // Nothing is ever sent.
            while runtime.block_on(stopped.changed()).is_ok() {}
            runtime.shutdown_timeout(END);
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), thread: Some(thread) })
    }
}

/// A connection that a worker serves.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long what blocks may take at the end.
const END: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_connection_goes_to_the_worker_with_the_fewest() {
        let workers = Workers::start(3).unwrap();
        let mut places = Vec::new();
        let mut seen = [0; 4];
        for _ in 0..9 {
            let (runtime, place) = workers.next().unwrap();
            seen[runtime.spawn(async { current() }).await.unwrap()] += 1;
            places.push((runtime.id(), place));
        }
        assert_eq!(seen, [0, 3, 3, 3]);
        // Whose connections end gets the next ones.
        let (first, _) = places[0];
        places.retain(|(id, _)| *id != first);
        for _ in 0..3 {
            let (runtime, place) = workers.next().unwrap();
            assert_eq!(runtime.id(), first);
            places.push((first, place));
        }
        assert_eq!(current(), 0, "this thread is none");
    }

    #[tokio::test]
    async fn what_runs_on_them_ends_with_them() {
        let workers = Workers::start(2).unwrap();
        let (runtime, _place) = workers.next().unwrap();
        let task = runtime.spawn(std::future::pending::<()>());
        tokio::task::spawn_blocking(move || drop(workers)).await.unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
