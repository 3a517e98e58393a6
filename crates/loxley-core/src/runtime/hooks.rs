//! What the builder lets a program hear of its tasks.

use super::{Builder, HistogramConfiguration};
use crate::primitive::Arc;
use crate::task::TaskMeta;

/// Hooks that are called for each task.
///
/// They run on the thread that does what they are told of, with no lock held, may spawn and wake tasks, and should be
/// short: nothing else happens on that thread meanwhile. A panic in one is contained. None is called for closures of
/// `spawn_blocking`. What is not set costs nothing.
impl Builder {
    /// Runs `hook` for each task that is spawned, before it is first scheduled, on the thread that spawns.
    pub fn on_task_spawn<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.task_hooks.spawn = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` for each task that has given its output, panicked or was cancelled, after its future was dropped.
    /// Whoever awaits its handle may already know.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use loxley_core::runtime::Builder;
    ///
    /// let (send, ended) = mpsc::channel();
    /// let runtime = Builder::new_current_thread()
    ///     .on_task_terminate(move |task| send.send(task.id()).unwrap())
    ///     .build()?;
    /// let task = runtime.spawn(async {});
    /// let id = task.id();
    /// runtime.block_on(task).unwrap();
    /// assert_eq!(ended.recv().unwrap(), id);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_terminate<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.task_hooks.terminate = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` before each poll of a task, on the thread that is about to poll it.
    pub fn on_before_task_poll<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.task_hooks.before_poll = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` after each poll of a task, on the thread that polled it; also after a poll that panicked.
    ///
    /// The task may already run elsewhere again, or have ended.
    pub fn on_after_task_poll<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.task_hooks.after_poll = Some(Arc::new(hook));
        self
    }

    /// Lets the hooks around polls know how long the task has waited: [`TaskMeta::schedule_latency`].
    ///
    /// Default: off. It reads the clock at each wake and at each poll, about 60 ns together.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use loxley_core::runtime::Builder;
    ///
    /// let (send, latencies) = mpsc::channel();
    /// let runtime = Builder::new_current_thread()
    ///     .track_task_schedule_latency()
    ///     .on_before_task_poll(move |task| send.send(task.schedule_latency()).unwrap())
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(async {})).unwrap();
    /// assert!(latencies.recv().unwrap().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn track_task_schedule_latency(&mut self) -> &mut Self {
        self.track_latency = true;
        self
    }
}

/// Histograms.
impl Builder {
    /// Counts how long polls take, per worker.
    ///
    /// Default: off. It reads the clock twice per poll, about 60 ns together. The counts are in
    /// [`RuntimeMetrics::poll_time_histogram_bucket_count`](super::RuntimeMetrics::poll_time_histogram_bucket_count).
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley_core::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().enable_metrics_poll_time_histogram().build()?;
    /// runtime.block_on(runtime.spawn(async {})).unwrap();
    /// let metrics = runtime.metrics();
    /// let buckets = 0..metrics.poll_time_histogram_num_buckets();
    /// let polls: u64 = buckets.map(|bucket| metrics.poll_time_histogram_bucket_count(0, bucket)).sum();
    /// assert_eq!(polls, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        self.count_poll_times = true;
        self
    }

    /// Sets the buckets of the poll times. Default: ten of 100 µs each; the last one has no end.
    pub fn metrics_poll_time_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.poll_times = configuration;
        self
    }

    /// Counts how long tasks wait for their polls since they were woken or spawned, per worker that polls them.
    ///
    /// Default: off. It reads the clock at each wake and at each poll, about 60 ns together; the hooks around polls are
    /// told, too. The counts are in
    /// [`RuntimeMetrics::schedule_latency_histogram_bucket_count`](super::RuntimeMetrics::schedule_latency_histogram_bucket_count).
    pub fn enable_metrics_schedule_latency_histogram(&mut self) -> &mut Self {
        self.track_latency = true;
        self.count_latencies = true;
        self
    }

    /// Sets the buckets of the schedule latencies. Default: ten of 100 µs each; the last one has no end.
    pub fn metrics_schedule_latency_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.latencies = configuration;
        self
    }
}
