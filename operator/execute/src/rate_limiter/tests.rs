use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Priority::{Normal, Urgent};
use super::{MAX_OVERTAKES, MIN_RATE, Priority, Rate, RateLimiter, Ticket, TokenBucket};

fn limiter(rate: f64) -> (RateLimiter, Instant) {
    let now = Instant::now();
    (RateLimiter::new(Rate(rate), now), now)
}

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

/// Makes one call if it may start now.
fn starts(limiter: &mut RateLimiter, now: Instant) -> bool {
    let ticket = limiter.enqueue(Normal);
    let starts = limiter.try_acquire(ticket, now).is_none();
    limiter.cancel(ticket);
    starts
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn a_rate_is_from_1_to_1000_calls_a_second() {
    for text in ["1", "50", "2.5", "1000"] {
        text.parse::<Rate>().unwrap();
    }
    for text in ["0", "0.9", "-1", "1001", "NaN", "inf", "", "many"] {
        let refused = text.parse::<Rate>().unwrap_err();
        assert_eq!(refused, "write a number of calls a second, from 1 to 1000");
    }
}

#[test]
fn a_spare_call_leaves_half_of_the_bucket_and_overtakes_none() {
    let (mut limiter, start) = limiter(50.0);
    let spare = (0..200).filter(|_| limiter.take_spare(start)).count();
    assert_eq!(spare, 50);
    assert!(starts(&mut limiter, start), "the other half is for edits");
    let later = start + secs(60.0);
    let waiting = limiter.enqueue(Normal);
    assert!(!limiter.take_spare(later));
    limiter.cancel(waiting);
    assert!(limiter.take_spare(later));

    // At the lowest rate too there is one now and then.
    let mut limiter = RateLimiter::new(Rate(MIN_RATE), start);
    assert!(limiter.take_spare(start));
    assert!(!limiter.take_spare(start));
    assert!(limiter.take_spare(start + secs(1.0)));
}

#[test]
fn a_burst_of_two_seconds_starts_at_once_and_the_rest_at_the_rate() {
    let (mut limiter, start) = limiter(50.0);
    assert_eq!(
        (0..200).filter(|_| starts(&mut limiter, start)).count(),
        100
    );
    let ticket = limiter.enqueue(Normal);
    let wait = limiter.try_acquire(ticket, start).unwrap();
    assert!(near(wait.as_secs_f64(), 0.02), "{wait:?}");
    assert_eq!(limiter.try_acquire(ticket, start + wait), None);
    let later = start + wait + secs(1.0);
    assert_eq!((0..200).filter(|_| starts(&mut limiter, later)).count(), 50);
    let much_later = later + secs(3600.0);
    assert_eq!(
        (0..200)
            .filter(|_| starts(&mut limiter, much_later))
            .count(),
        100
    );
}

#[test]
fn an_exhausted_quota_halves_the_rate_which_recovers_within_a_minute() {
    // At which second, whether a quota is exhausted then, and the rate from then on.
    let rows = [
        (0.0, true, 48.0),
        (0.5, true, 48.8),
        (1.5, true, 25.2),
        (11.5, false, 41.2),
        (12.0, true, 21.0),
        (14.0, true, 12.1),
        (16.0, true, 7.65),
        (40.0, false, 46.05),
        (60.0, false, 78.05),
        (160.0, false, 96.0),
    ];
    let (mut limiter, start) = limiter(96.0);
    for (at, is_exhausted, rate) in rows {
        let now = start + secs(at);
        if is_exhausted {
            limiter.quota_exhausted(now);
            assert!(!starts(&mut limiter, now), "at {at} the bucket is empty");
        } else {
            starts(&mut limiter, now);
        }
        assert!(near(limiter.rate(), rate), "at {at}: {}", limiter.rate());
    }
}

#[test]
fn an_edit_gets_through_however_often_a_quota_is_exhausted() {
    let (mut limiter, start) = limiter(2.0);
    let mut now = start;
    for _ in 0..100 {
        now += secs(1.0);
        limiter.quota_exhausted(now);
        assert!(limiter.rate() >= MIN_RATE);
    }
    assert!(starts(&mut limiter, now + secs(1.0)));
}

#[test]
fn urgent_calls_overtake_and_leave_every_fifth_call_to_normal_ones() {
    let (mut limiter, start) = limiter(1.0);
    let normal: Vec<Ticket> = (0..2).map(|_| limiter.enqueue(Normal)).collect();
    let urgent: Vec<Ticket> = (0..6).map(|_| limiter.enqueue(Urgent)).collect();
    let order = [
        urgent[0], urgent[1], urgent[2], urgent[3], normal[0], urgent[4], urgent[5], normal[1],
    ];
    for (at, ticket) in order.iter().enumerate() {
        let now = start + secs(f64::from(u32::try_from(at).unwrap()));
        for later in &order[at + 1..] {
            assert!(
                limiter.try_acquire(*later, now).is_some(),
                "{later:?} at {at}"
            );
        }
        assert_eq!(
            limiter.try_acquire(*ticket, now),
            None,
            "{ticket:?} at {at}"
        );
    }
}

#[test]
fn a_canceled_call_shortens_the_wait_of_others() {
    let (mut limiter, start) = limiter(1.0);
    while starts(&mut limiter, start) {}
    let tickets: Vec<Ticket> = (0..3).map(|_| limiter.enqueue(Urgent)).collect();
    assert_eq!(limiter.try_acquire(tickets[2], start), Some(secs(3.0)));
    limiter.cancel(tickets[0]);
    assert_eq!(limiter.try_acquire(tickets[2], start), Some(secs(2.0)));
}

#[derive(Debug, Clone)]
enum Event {
    Enqueue(Priority),
    /// The n-th waiting call gives up.
    Cancel(usize),
    Elapse(u64),
    QuotaExhausted,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Enqueue(Urgent)),
        4 => Just(Event::Enqueue(Normal)),
        1 => any::<usize>().prop_map(Event::Cancel),
        4 => (0_u64..400).prop_map(Event::Elapse),
        1 => Just(Event::QuotaExhausted),
    ];
    proptest::collection::vec(event, 1..200)
}

/// Waiting calls, and calls that have started.
struct World {
    limiter: RateLimiter,
    now: Instant,
    waiting: Vec<(Ticket, Priority)>,
    started: Vec<Instant>,
    /// Urgent calls in a row that started while a normal one waited.
    overtakes: u32,
}

impl World {
    /// Starts each call that may start; all ask, in the order in which they were added.
    fn start(&mut self) {
        while let Some(at) = (0..self.waiting.len()).find(|at| {
            self.limiter
                .try_acquire(self.waiting[*at].0, self.now)
                .is_none()
        }) {
            let (_, priority) = self.waiting.remove(at);
            self.started.push(self.now);
            let waits = |priority| self.waiting.iter().any(|(_, it)| *it == priority);
            if priority == Normal {
                assert!(
                    !waits(Urgent) || self.overtakes >= MAX_OVERTAKES,
                    "urgent first"
                );
                self.overtakes = 0;
            } else {
                self.overtakes = if waits(Normal) { self.overtakes + 1 } else { 0 };
                assert!(self.overtakes <= MAX_OVERTAKES, "and not forever");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_interval_has_more_calls_than_the_bucket_and_the_rate_allow(
        rate in 1.0..20.0_f64,
        events in events(),
    ) {
        let (limiter, now) = limiter(rate);
        let mut world = World { limiter, now, waiting: Vec::new(), started: Vec::new(), overtakes: 0 };
        for event in events {
            match event {
                Event::Enqueue(priority) => {
                    let ticket = world.limiter.enqueue(priority);
                    world.waiting.push((ticket, priority));
                }
                Event::Cancel(_) if world.waiting.is_empty() => {}
                Event::Cancel(at) => {
                    let (ticket, _) = world.waiting.remove(at % world.waiting.len());
                    world.limiter.cancel(ticket);
                }
                Event::Elapse(millis) => world.now += Duration::from_millis(millis),
                Event::QuotaExhausted => world.limiter.quota_exhausted(world.now),
            }
            world.start();
        }
        // A call that waits for its time starts, or gets another time; in the end all have started.
        while !world.waiting.is_empty() {
            let before = world.waiting.len();
            let waits = world.waiting.clone().into_iter();
            let wait = waits.filter_map(|(it, _)| world.limiter.try_acquire(it, world.now)).min();
            world.now += wait.unwrap() + Duration::from_nanos(1);
            world.start();
            prop_assert!(world.waiting.len() < before, "{:?}", world.limiter);
        }
        for (first, begin) in world.started.iter().enumerate() {
            for (last, end) in world.started.iter().enumerate().skip(first) {
                let calls = f64::from(u32::try_from(last - first + 1).unwrap());
                let most = rate * 2.0 + rate * (*end - *begin).as_secs_f64();
                prop_assert!(calls <= most + 1e-3, "{calls} calls, at most {most}");
            }
        }
    }
}

#[test]
fn a_token_bucket_gives_what_it_has_and_refills() {
    let begin = Instant::now();
    let mut bucket = TokenBucket::full(5.0, 3.0, begin);
    let taken = |bucket: &mut TokenBucket, now| (0..9).filter(|_| bucket.take(now)).count();
    assert_eq!(taken(&mut bucket, begin), 3);
    assert_eq!(taken(&mut bucket, begin + Duration::from_millis(400)), 2);
    assert_eq!(taken(&mut bucket, begin + Duration::from_mins(1)), 3);
}
