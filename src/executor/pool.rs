//! Mode `pool`: processes that serve one call after another. One comes back only from a whole answer: after a timeout, a
//! crash or a cancel there is none to give back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::call::{Call, Outcome};
use crate::child::life::Cause;
use crate::child::meters::Counted;
use crate::child::ready::Condition;
use crate::child::run::After;
use crate::child::start::{StartFailure, start};
use crate::child::wear::Worn;
use crate::child::{Priority, Ready, Spec};
use crate::config::function::Recycle;
use crate::executor::begun::{in_a_task, on_demand, refuse, unheard};
use crate::executor::{Executor, Running};

/// How often workers that wait are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// The pauses after starts that failed.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// One function's workers.
pub struct Pool(Arc<House>);

/// Those who may still take a worker: the executor, and calls that have none yet. With the last of them the pool is drained.
struct House(Arc<Shared>);

struct Shared {
    spec: Arc<Spec>,
    recycle: Recycle,
    idle: Mutex<Idle>,
    /// Idle, busy, and those that calls wait for.
    members: Arc<AtomicUsize>,
    left: Notify,
}

#[derive(Default)]
struct Idle {
    /// The last one in is the first one out: its memory is warm, and the others grow idle.
    workers: Vec<Resting>,
    is_draining: bool,
}

struct Resting {
    worker: Ready,
    member: Member,
    _counted: Counted,
}

/// Counts a worker as one of the pool for as long as it lives.
struct Member(Arc<AtomicUsize>);

impl Pool {
    /// Begins to start `spares` workers on the caller's runtime, which are always there.
    #[must_use]
    pub fn new(spec: Arc<Spec>, recycle: Recycle) -> Self {
        let shared = Arc::new(Shared {
            spec,
            recycle,
            idle: Mutex::default(),
            members: Arc::default(),
            left: Notify::new(),
        });
        tokio::spawn(Arc::clone(&shared).keep_house());
        Self(Arc::new(House(shared)))
    }
}

impl Executor for Pool {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        let house = Arc::clone(&self.0);
        in_a_task(move |reply| Arc::clone(&house.0).serve(house, call, reply))
    }

    fn is_warm(&self) -> bool {
        let shared = &self.0.0;
        shared.lock().workers.len() >= shared.spec.function.spares
    }

    fn drain(&self) {
        self.0.0.drain();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.0.drain();
    }
}

impl Shared {
    fn drain(&self) {
        let mut idle = self.lock();
        idle.is_draining = true;
        idle.workers.drain(..).for_each(|resting| resting.worker.retire());
        self.left.notify_one();
        self.spec.drain();
    }

    async fn serve(
        self: Arc<Self>,
        house: Arc<House>,
        mut call: Call,
        mut reply: oneshot::Sender<Outcome>,
    ) {
        // Given back after the worker: who gets the slot next finds the worker too.
        let hold = Arc::clone(&call.hold);
        let mut house = Some(house);
        loop {
            let found = match self.take() {
                Some(found) => {
                    self.spec.meters.spare_hits.inc();
                    Ok(found)
                }
                None => tokio::select! {
                    started = self.start(&call) => started,
                    () = reply.closed() => return self.spec.meters.count_call(unheard(&call)),
                },
            };
            let (worker, member) = match found {
                Ok(found) => found,
                Err(failure) => return refuse(&self.spec, &call, failure, reply),
            };
            house.take_if(|_| self.spec.function.retry == 0);
            match worker.run(call, reply).await {
                After::Rested(rested) => self.give_back(rested.partner, member),
                After::Again(again, waiting) => {
                    self.left.notify_one();
                    (call, reply) = (*again, waiting);
                    continue;
                }
                After::Gone => self.left.notify_one(),
            }
            return drop(hold);
        }
    }

    async fn start(&self, call: &Call) -> Result<(Ready, Member), StartFailure> {
        let member = self.member();
        let worker = on_demand(&self.spec, Arc::clone(&call.hold)).await?;
        Ok((worker, member))
    }

    /// A worker that waits and is sound: one that is at home in the caller's runtime, if there is, rather than one that is
    /// at home in another.
    fn take(&self) -> Option<(Ready, Member)> {
        let here = Handle::current().id();
        loop {
            let resting = {
                let mut idle = self.lock();
                let fits = |(_, resting): &(usize, &Resting)| resting.worker.fits(here);
                let (place, _) = idle.workers.iter().enumerate().max_by_key(fits)?;
                idle.workers.swap_remove(place)
            };
            match unsound(&resting.worker) {
                None => return Some((resting.worker, resting.member)),
                Some(why) => self.retire(resting.worker, resting.member, why),
            }
        }
    }

    fn give_back(&self, worker: Ready, member: Member) {
        match worker.worn() {
            Some(why) => self.retire(worker, member, why),
            None => self.rest(worker, member),
        }
    }

    fn rest(&self, worker: Ready, member: Member) {
        let counted = Counted::new(&self.spec.meters.workers_idle);
        let mut idle = self.lock();
        match idle.is_draining {
            true => worker.retire(),
            false => idle.workers.push(Resting { worker, member, _counted: counted }),
        }
    }

    fn retire(&self, worker: Ready, member: Member, why: Worn) {
        self.spec.meters.count_retirement(why);
        let cause = (why == Worn::Talking).then_some(Cause::Protocol);
        if cause.is_some() {
            let function = &self.spec.function.name;
            warn!(
                function,
                "a worker spoke between two calls: it is ended, and nothing that it said is believed"
            );
        }
        let draining = Counted::new(&self.spec.meters.workers_draining);
        tokio::spawn(async move {
            drop(member);
            worker.end(cause).await;
            drop(draining);
        });
        self.left.notify_one();
    }

    async fn keep_house(self: Arc<Self>) {
        let mut pause = PAUSES[0];
        while !self.lock().is_draining {
            self.look_around();
            if self.members.load(Ordering::Relaxed) >= self.spec.function.spares {
                let _a_round_is_over = timeout(ROUND, self.left.notified()).await;
                continue;
            }
            match self.add_one().await {
                Ok(()) => pause = PAUSES[0],
                Err(failure) => {
                    let function = &self.spec.function.name;
                    warn!(
                        function,
                        "a worker could not be started, the next try is in {pause:?}: {failure}"
                    );
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES[1]);
                }
            }
        }
    }

    async fn add_one(&self) -> Result<(), StartFailure> {
        let member = self.member();
        self.spec.meters.starts_spare.inc();
        let worker = start(&self.spec, Priority::Idle, None).await?;
        self.rest(worker, member);
        Ok(())
    }

    /// Replaces those that wait and have ended, have spoken, are worn, or are more than is needed.
    fn look_around(&self) {
        let mut leaving = Vec::new();
        let mut idle = self.lock();
        let mut excess =
            self.members.load(Ordering::Relaxed).saturating_sub(self.spec.function.spares);
        for mut resting in std::mem::take(&mut idle.workers) {
            resting.worker.look();
            let is_idle =
                self.recycle.idle_timeout.is_some_and(|limit| resting.worker.idle_for() >= limit);
            let why = unsound(&resting.worker)
                .or(resting.worker.worn())
                .or((is_idle && excess > 0).then_some(Worn::Idle));
            match why {
                Some(why) => leaving.push((resting, why)),
                None => idle.workers.push(resting),
            }
            excess = excess.saturating_sub(usize::from(why.is_some()));
        }
        drop(idle);
        for (resting, why) in leaving {
            self.retire(resting.worker, resting.member, why);
        }
    }

    fn member(&self) -> Member {
        self.members.fetch_add(1, Ordering::Relaxed);
        Member(Arc::clone(&self.members))
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unsound(worker: &Ready) -> Option<Worn> {
    match worker.condition() {
        Condition::Sound => None,
        Condition::Ended => Some(Worn::Ended),
        Condition::Talking => Some(Worn::Talking),
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
