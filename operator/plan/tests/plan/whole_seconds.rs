//! Backoffs with fractions of a second, and a Cloud Tasks that would not keep these.

use std::time::Duration;

use crds::DriftPolicy;
use plan::objects::queue_settings::keeps_whole_seconds;
use plan::rules::drift::drifts;
use plan::{ChainView, Observed, Step};

use crate::world::{ORDERS, desired, queue_path, settle, settled};

fn with_backoff(min: &str) -> String {
    ORDERS.replace("min: 100ms", &format!("min: {min}"))
}

fn min_backoff(observed: &mut Observed) -> &mut Duration {
    let queue = observed.queues.get_mut(&queue_path("incoming"));
    &mut queue.unwrap().min_backoff
}

#[test]
fn every_spelling_of_a_backoff_is_the_same_setting() {
    let mut observed = settled(&with_backoff("2.5s"));
    assert_eq!(*min_backoff(&mut observed), Duration::from_millis(2500));
    for same in ["2.500s", "2500ms", "2s500ms", "0m2.5s"] {
        assert!(
            settle(&mut observed, &desired(&with_backoff(same))).is_empty(),
            "{same}"
        );
    }
}

#[test]
fn a_fraction_that_cloud_tasks_does_not_keep_is_no_endless_difference() {
    let desired = desired(&with_backoff("2.5s"));
    let mut observed = settled(&with_backoff("2.5s"));
    observed.was_in_force = true;
    *min_backoff(&mut observed) = Duration::from_secs(2);

    // As far as is known, it was changed outside the operator, and is corrected.
    let view = ChainView::new(&desired, &observed);
    assert_eq!(desired.drift_policy, DriftPolicy::Enforce);
    assert_eq!(drifts(view).len(), 1);
    let plan = plan::plan(view).unwrap();
    let sent = plan.steps.iter().find_map(|planned| match &planned.step {
        Step::UpdateQueue { settings, .. } => Some(settings.as_ref()),
        _ => None,
    });
    let answered = observed.queues.get(&queue_path("incoming")).unwrap();
    assert!(keeps_whole_seconds(sent.unwrap(), answered));

    // The answer to the correction has shown that it can't be.
    observed.whole_seconds = true;
    let view = ChainView::new(&desired, &observed);
    assert_eq!(drifts(view), []);
    assert!(plan::plan(view).unwrap().is_empty());
    // A change of a whole second is still seen.
    *min_backoff(&mut observed) = Duration::from_secs(1);
    assert_eq!(drifts(ChainView::new(&desired, &observed)).len(), 1);
}

#[test]
fn an_answer_that_keeps_fractions_or_is_another_shows_nothing() {
    let mut observed = settled(&with_backoff("2.5s"));
    let kept = observed
        .queues
        .get(&queue_path("incoming"))
        .unwrap()
        .clone();
    let sent = |min: u64| cloudtasks::QueueSettings {
        min_backoff: Some(Duration::from_millis(min)),
        ..cloudtasks::QueueSettings::default()
    };
    assert!(!keeps_whole_seconds(&sent(2500), &kept));
    assert!(!keeps_whole_seconds(
        &cloudtasks::QueueSettings::default(),
        &kept
    ));
    *min_backoff(&mut observed) = Duration::from_secs(2);
    let kept = observed.queues.get(&queue_path("incoming")).unwrap();
    assert!(!keeps_whole_seconds(&sent(2000), kept));
    assert!(!keeps_whole_seconds(&sent(3500), kept));
    assert!(keeps_whole_seconds(&sent(2500), kept));
}
