//! A path as text: one line for each step, and what lives on the stages' queues after it.

use std::fmt::Write;

use stateright::Path;

use crate::create::Reply;
use crate::redrive::{Call, Mover};
use crate::setting::queue_path;
use crate::state::{CreatedTask, PendingTask, Phase, State, Task, TaskKey};
use crate::world::{Pod, Step};

pub fn story(path: Path<State, Step>) -> String {
    let mut text = String::new();
    let path = path.into_vec();
    for (number, pair) in (1..).zip(path.windows(2)) {
        let [(state, Some(step)), (after, _)] = pair else {
            unreachable!("a step lies between two states");
        };
        let said = say(state, *step);
        writeln!(text, "{number:>3}. {said:<68} {}", queues(after)).unwrap();
    }
    text
}

fn say(state: &State, step: Step) -> String {
    let who = match step {
        Step::Dispatch(t, ..) | Step::Foreign(t, _) | Step::TurnAway(t) => {
            let task = &state.tasks[usize::from(t)];
            return format!("{}: {}", place(task.key), dispatch(step));
        }
        Step::Appear(late) => {
            let what = thing(state.late[usize::from(late)].what);
            return format!("{what} appears, late");
        }
        Step::Delete(task) => {
            let task = state.tasks[usize::from(task)].key;
            return format!("{}: its owner deletes the task", place(task));
        }
        Step::Redrive(to) => return format!("a redrive to {} begins", name(to)),
        Step::Take(life) => return format!("a mover takes the parked task of life {}", life + 1),
        Step::Move(mover) => return moves(state.movers[usize::from(mover)], "the mover"),
        Step::MoverDies(mover) => {
            return moves(state.movers[usize::from(mover)], "the mover dies before it");
        }
        Step::Arrive(p, _)
        | Step::LookUp(p)
        | Step::CannotLookUp(p)
        | Step::Learn(p, _)
        | Step::RunSlot(p, _)
        | Step::CannotConnect(p)
        | Step::RunEnds(p, ..)
        | Step::Create(p, _)
        | Step::Answer(p)
        | Step::Kill(p)
        | Step::HangUp(p, _) => &state.pushes[usize::from(p)],
    };
    let what = match (step, who.phase) {
        (Step::Arrive(_, pod), _) => format!("arrives again{}", at(pod)),
        (Step::LookUp(_), _) => "the worker looks up the successor".to_owned(),
        (Step::CannotLookUp(_), _) => "a lookup fails".to_owned(),
        (Step::Learn(_, age), _) => format!("its age is {age:?}"),
        (Step::RunSlot(_, decide::RunSlot::Acquired), _) => "a run slot is free".to_owned(),
        (Step::RunSlot(_, decide::RunSlot::Held), _) => "the worker holds".to_owned(),
        (Step::RunSlot(_, decide::RunSlot::Isolated(_)), _) => "it is isolated".to_owned(),
        (Step::RunSlot(..), _) => "no run slot is free".to_owned(),
        (Step::CannotConnect(_), _) => "the handler takes no connections".to_owned(),
        (Step::RunEnds(_, handler, false), _) => format!("the handler {handler:?}"),
        (Step::RunEnds(_, handler, true), _) => format!("the handler {handler:?}, in a hold"),
        (Step::Create(_, reply), Phase::Creating(task)) => create(task, reply),
        (Step::Answer(_), Phase::Answering(answer)) => format!("the worker answers {answer:?}"),
        (Step::Kill(_), _) => "the worker dies".to_owned(),
        (Step::HangUp(_, code), _) => format!("another answers {code}"),
        other => unreachable!("{other:?}"),
    };
    format!("{}, R={}: {what}", place(who.key), who.r)
}

fn moves(mover: Mover, who: &str) -> String {
    match mover.call() {
        (life, Call::Create) => format!("{who} creates the first task of life {}", life + 2),
        (life, Call::Delete) => format!("{who} deletes the parked task of life {}", life + 1),
    }
}

fn dispatch(step: Step) -> String {
    match step {
        Step::Dispatch(_, pod, false) => format!("dispatched{}", at(pod)),
        Step::Dispatch(_, pod, true) => format!("dispatched twice{}", at(pod)),
        Step::Foreign(_, code) => format!("dispatched, and another answers {code}"),
        _ => "dispatched, and rejected unread".to_owned(),
    }
}

fn at(pod: Pod) -> String {
    let release = if pod.release == 0 {
        ""
    } else {
        ", to a new worker"
    };
    let number = if pod.number == 0 {
        ""
    } else {
        ", to another pod"
    };
    format!("{release}{number}")
}

fn create(task: PendingTask, reply: Reply) -> String {
    let how = match reply {
        Reply::Arrives => "creates",
        Reply::IsLost => "creates without confirmation",
        Reply::IsLate => "gives up too early to create",
        Reply::Fails => "can't create",
        Reply::Refuses => "is refused",
    };
    format!("the worker {how} {}", thing(task.what))
}

fn thing(what: CreatedTask) -> String {
    match what {
        CreatedTask::Next(queue) => format!("the task on {}", name(queue)),
        CreatedTask::Later(_) => "the task again, put off".to_owned(),
        CreatedTask::Parked => "the parked task".to_owned(),
        CreatedTask::Notification(outcome) => format!("the notification {outcome:?}"),
        CreatedTask::Redriven => "the first task of a life".to_owned(),
    }
}

/// A task's queue, and how often it was put off there. Its life, after the first.
fn place(key: TaskKey) -> String {
    let TaskKey {
        life, queue, later, ..
    } = key;
    let again = if later == 0 {
        String::new()
    } else {
        format!(" (put off: {later})")
    };
    let life = if life == 0 {
        String::new()
    } else {
        format!(" (life {})", life + 1)
    };
    name(queue) + &again + &life
}

fn name(queue: u8) -> String {
    queue_path(queue.into()).id.to_string()
}

fn queues(state: &State) -> String {
    let mut text: Vec<String> = state.tasks.iter().map(one).collect();
    if text.is_empty() {
        text.push("no task".to_owned());
    }
    for (number, life) in state.begun() {
        let of = if number == 0 {
            String::new()
        } else {
            format!(" (life {})", number + 1)
        };
        if life.in_parking {
            text.push(format!("parked{of}"));
        }
        if state.ended(number) {
            text.push(format!("ended{of}"));
        }
    }
    text.join("; ")
}

fn one(task: &Task) -> String {
    let Task { r, e, p, .. } = task;
    let p = p.map_or("-".to_owned(), |p| p.to_string());
    format!("{} R={r} E={e} P={p}", place(task.key))
}
