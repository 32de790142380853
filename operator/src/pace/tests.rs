use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Urgency::{Ordinary, Urgent};
use super::{Bucket, LEAST, PASSED, Pace, Rate, Ticket, Urgency};

fn pace(rate: f64) -> (Pace, Instant) {
    let now = Instant::now();
    (Pace::new(Rate(rate), now), now)
}

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

/// Lets one through if he may go.
fn goes(pace: &mut Pace, now: Instant) -> bool {
    let ticket = pace.join(Ordinary);
    let goes = pace.turn(ticket, now).is_none();
    pace.leave(ticket);
    goes
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn a_rate_is_a_number_of_calls_that_can_be_made() {
    for text in ["1", "50", "2.5", "1000"] {
        text.parse::<Rate>().unwrap();
    }
    for text in ["0", "0.9", "-1", "1001", "NaN", "inf", "", "many"] {
        let refused = text.parse::<Rate>().unwrap_err();
        assert_eq!(refused, "give a number of calls a second from 1 to 1000");
    }
}

#[test]
fn two_seconds_worth_goes_at_once_and_the_rest_at_the_rate() {
    let (mut pace, start) = pace(50.0);
    assert_eq!((0..200).filter(|_| goes(&mut pace, start)).count(), 100);
    let ticket = pace.join(Ordinary);
    let wait = pace.turn(ticket, start).unwrap();
    assert!(near(wait.as_secs_f64(), 0.02), "{wait:?}");
    assert_eq!(pace.turn(ticket, start + wait), None);
    let later = start + wait + secs(1.0);
    assert_eq!((0..200).filter(|_| goes(&mut pace, later)).count(), 50);
    let much_later = later + secs(3600.0);
    assert_eq!(
        (0..200).filter(|_| goes(&mut pace, much_later)).count(),
        100
    );
}

#[test]
fn a_used_up_quota_halves_the_rate_and_time_brings_it_back() {
    // When, in seconds, a quota is used up or nothing is; the rate from then on.
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
    let (mut pace, start) = pace(96.0);
    for (at, is_used_up, rate) in rows {
        let now = start + secs(at);
        if is_used_up {
            pace.used_up(now);
            assert!(!goes(&mut pace, now), "at {at} nothing is saved up");
        } else {
            goes(&mut pace, now);
        }
        assert!(near(pace.rate(), rate), "at {at}: {}", pace.rate());
    }
}

#[test]
fn an_edit_gets_through_however_often_a_quota_is_used_up() {
    let (mut pace, start) = pace(2.0);
    let mut now = start;
    for _ in 0..100 {
        now += secs(1.0);
        pace.used_up(now);
        assert!(pace.rate() >= LEAST);
    }
    assert!(goes(&mut pace, now + secs(1.0)));
}

#[test]
fn urgent_calls_pass_and_leave_every_fifth_to_the_others() {
    let (mut pace, start) = pace(1.0);
    let ordinary: Vec<Ticket> = (0..2).map(|_| pace.join(Ordinary)).collect();
    let urgent: Vec<Ticket> = (0..6).map(|_| pace.join(Urgent)).collect();
    let order = [
        urgent[0],
        urgent[1],
        urgent[2],
        urgent[3],
        ordinary[0],
        urgent[4],
        urgent[5],
        ordinary[1],
    ];
    for (at, ticket) in order.iter().enumerate() {
        let now = start + secs(f64::from(u32::try_from(at).unwrap()));
        for later in &order[at + 1..] {
            assert!(pace.turn(*later, now).is_some(), "{later:?} at {at}");
        }
        assert_eq!(pace.turn(*ticket, now), None, "{ticket:?} at {at}");
    }
}

#[test]
fn who_leaves_makes_room() {
    let (mut pace, start) = pace(1.0);
    while goes(&mut pace, start) {}
    let tickets: Vec<Ticket> = (0..3).map(|_| pace.join(Urgent)).collect();
    assert_eq!(pace.turn(tickets[2], start), Some(secs(3.0)));
    pace.leave(tickets[0]);
    assert_eq!(pace.turn(tickets[2], start), Some(secs(2.0)));
}

#[derive(Debug, Clone)]
enum Event {
    Join(Urgency),
    /// The one that came as the n-th of those who wait gives up.
    Leave(usize),
    Pass(u64),
    UsedUp,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Join(Urgent)),
        4 => Just(Event::Join(Ordinary)),
        1 => any::<usize>().prop_map(Event::Leave),
        4 => (0_u64..400).prop_map(Event::Pass),
        1 => Just(Event::UsedUp),
    ];
    proptest::collection::vec(event, 1..200)
}

/// Those who wait, and those who went.
struct World {
    pace: Pace,
    now: Instant,
    waiting: Vec<(Ticket, Urgency)>,
    gone: Vec<Instant>,
    /// Urgent ones that went in a row while an ordinary one waited.
    passed: u32,
}

impl World {
    /// Lets all go who may; everybody asks, in the order in which he came.
    fn go(&mut self) {
        while let Some(at) = (0..self.waiting.len())
            .find(|at| self.pace.turn(self.waiting[*at].0, self.now).is_none())
        {
            let (_, urgency) = self.waiting.remove(at);
            self.gone.push(self.now);
            let waits = |urgency| self.waiting.iter().any(|(_, it)| *it == urgency);
            if urgency == Ordinary {
                assert!(!waits(Urgent) || self.passed >= PASSED, "urgent first");
                self.passed = 0;
            } else {
                self.passed = if waits(Ordinary) { self.passed + 1 } else { 0 };
                assert!(self.passed <= PASSED, "and not for ever");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_window_has_more_than_the_bucket_and_the_rate(
        rate in 1.0..20.0_f64,
        events in events(),
    ) {
        let (pace, now) = pace(rate);
        let mut world = World { pace, now, waiting: Vec::new(), gone: Vec::new(), passed: 0 };
        for event in events {
            match event {
                Event::Join(urgency) => {
                    let ticket = world.pace.join(urgency);
                    world.waiting.push((ticket, urgency));
                }
                Event::Leave(_) if world.waiting.is_empty() => {}
                Event::Leave(at) => {
                    let (ticket, _) = world.waiting.remove(at % world.waiting.len());
                    world.pace.leave(ticket);
                }
                Event::Pass(millis) => world.now += Duration::from_millis(millis),
                Event::UsedUp => world.pace.used_up(world.now),
            }
            world.go();
        }
        // Whoever waits as long as he is told to goes, or is told again; in the end all have gone.
        while !world.waiting.is_empty() {
            let before = world.waiting.len();
            let waits = world.waiting.clone().into_iter();
            let wait = waits.filter_map(|(it, _)| world.pace.turn(it, world.now)).min();
            world.now += wait.unwrap() + Duration::from_nanos(1);
            world.go();
            prop_assert!(world.waiting.len() < before, "{:?}", world.pace);
        }
        for (first, begin) in world.gone.iter().enumerate() {
            for (last, end) in world.gone.iter().enumerate().skip(first) {
                let calls = f64::from(u32::try_from(last - first + 1).unwrap());
                let most = rate * 2.0 + rate * (*end - *begin).as_secs_f64();
                prop_assert!(calls <= most + 1e-3, "{calls} calls, at most {most}");
            }
        }
    }
}

#[test]
fn a_bucket_gives_what_it_has_and_fills_again() {
    let begin = Instant::now();
    let mut bucket = Bucket::full(5.0, 3.0, begin);
    let taken = |bucket: &mut Bucket, now| (0..9).filter(|_| bucket.take(now)).count();
    assert_eq!(taken(&mut bucket, begin), 3);
    assert_eq!(taken(&mut bucket, begin + Duration::from_millis(400)), 2);
    assert_eq!(taken(&mut bucket, begin + Duration::from_mins(1)), 3);
}
