//! What keeps a redrive from going on, and what is not configured as it must be.

use std::process::Command;

use executor_worker::{ConfigError, MoverConfig};
use parking::{Action, RedrivePhase};
use testkit::{CallProxy, Process, Receiver, binary};

use crate::bed::{Bed, SOON, done, lives, mover, order, over, queue, until};

#[tokio::test]
async fn a_missing_target_is_said_and_the_redrive_goes_on_when_it_exists() {
    let bed = Bed::new().await;
    let parked = bed.park(50, "no-stock").await;
    let others = bed.untouched("parked").await;
    let mut order = order("");
    let Action::Move(to) = &mut order.action else {
        panic!("it moves")
    };
    to.to = queue("late");
    let mover = bed.mover(order).await;
    let progress = until(&mover, "the problem", |it| it.problem.is_some()).await;
    let problem = progress.problem.unwrap();
    assert!(
        problem.starts_with("projects/p/locations/l/queues/late does not exist"),
        "{problem}"
    );
    assert_eq!((progress.phase, progress.moved), (RedrivePhase::Moving, 0));
    assert_eq!(bed.untouched("parked").await, others);

    bed.paused("late").await;
    assert_eq!(over(&mover).await, done(50, 0));
    assert_eq!(bed.ids("late").await, lives(&parked, "one"));
    mover.stop().await;
}

#[tokio::test]
async fn a_parking_queue_that_is_deleted_ends_the_redrive() {
    let bed = Bed::new().await;
    bed.park(50, "no-stock").await;
    let mut order = order("");
    order.rate = 20.0;
    let mover = bed.mover(order).await;
    until(&mover, "a move", |it| it.moved > 0).await;
    bed.cloud.delete_queue(&queue("parked")).await.unwrap();
    let progress = over(&mover).await;
    assert_eq!(progress.phase, RedrivePhase::ParkingGone);
    assert_eq!(
        progress.problem.unwrap(),
        "projects/p/locations/l/queues/parked does not exist"
    );
    mover.stop().await;
}

#[tokio::test]
async fn without_the_right_to_delete_nothing_is_created() {
    let bed = Bed::new().await;
    let parked = bed.park(5, "no-stock").await;
    let proxy = CallProxy::start(bed.emulator.addr()).await;
    let refusing = Receiver::refusing(7, "no cloudtasks.tasks.delete");
    proxy.send_elsewhere(&["DeleteTask"], refusing.addr());
    let mover = mover(proxy.addr(), order("")).await;
    let progress = until(&mover, "the problem", |it| it.problem.is_some()).await;
    let problem = progress.problem.unwrap();
    assert!(problem.starts_with("no permission for "), "{problem}");
    assert!(problem.contains("cloudtasks.tasks.delete"), "{problem}");
    assert_eq!(progress.phase, RedrivePhase::Counting);
    assert!(bed.tasks("incoming").await.is_empty());

    proxy.open();
    assert_eq!(over(&mover).await, done(5, 0));
    assert_eq!(bed.ids("incoming").await, lives(&parked, "one"));
    mover.stop().await;
}

#[tokio::test]
async fn moves_go_on_after_cloud_tasks_was_away() {
    let bed = Bed::new().await;
    let parked = bed.park(60, "no-stock").await;
    let proxy = CallProxy::start(bed.emulator.addr()).await;
    let away = Receiver::refusing(14, "try again");
    let mut order = order("");
    order.rate = 100.0;
    let mover = mover(proxy.addr(), order).await;
    until(&mover, "a move", |it| it.moved > 0).await;
    proxy.send_elsewhere(&["GetTask", "CreateTask", "DeleteTask"], away.addr());
    let progress = until(&mover, "the problem", |it| it.problem.is_some()).await;
    let problem = progress.problem.unwrap();
    assert!(
        problem.starts_with("Cloud Tasks is unavailable"),
        "{problem}"
    );
    proxy.open();
    assert_eq!(over(&mover).await, done(60, 0));
    assert_eq!(bed.ids("incoming").await, lives(&parked, "one"));
    assert!(bed.tasks("parked").await.is_empty());
    mover.stop().await;
}

#[test]
fn an_order_that_is_missing_or_not_valid_is_refused() {
    let read = |value: Option<&str>| {
        let get = |name: &str| (name == "REDRIVE").then(|| value.map(str::to_owned))?;
        MoverConfig::from_vars(&get).map(|config| config.order)
    };
    let valid = order("reason=no-stock");
    let json = serde_json::to_string(&valid).unwrap();
    assert_eq!(read(Some(&json)), Ok(valid));
    let missing = ConfigError::Missing {
        variable: "REDRIVE",
        fix: "write the redrive's order, as JSON",
    };
    assert_eq!(read(None), Err(missing.clone()));
    assert_eq!(read(Some("")), Err(missing));
    let stopped = json.replace("5000.0", "0");
    let error = read(Some(&stopped)).unwrap_err().to_string();
    let fix = ": the rate is 0: write a number of tasks a second above 0";
    assert!(error.ends_with(fix), "{error}");
}

#[tokio::test]
async fn the_program_refuses_what_it_does_not_understand() {
    for (arguments, message) in [
        (
            &["redrive"][..],
            "REDRIVE is not set: write the redrive's order, as JSON",
        ),
        (
            &["redrives"],
            "use no argument to start a worker, or the argument redrive to start a mover: set everything else in environment variables",
        ),
    ] {
        let mut command = Command::new(binary("executor-worker"));
        command.args(arguments);
        let process = Process::spawn(&command);
        assert_eq!(process.exit(SOON).await, 2);
        assert_eq!(process.log().trim(), message);
    }
}
