//! `executor-chain id`: the names that a task has on the queues of its chain.

use cloudtasks::{QueueId, QueuePath, TaskId};
use decide::RootId;

use crate::args::IdOptions;

/// Runs the command.
pub fn run(options: &IdOptions) {
    println!("{}", table(&options.queue, &options.then, &options.task));
}

/// One line for each queue and task id.
fn table(first: &QueuePath, later: &[QueueId], task: &TaskId) -> String {
    let root = RootId::of(&first.task(task.clone()));
    let mut rows = vec![
        ("QUEUE", "TASK ID".to_owned(), ""),
        (first.id.as_str(), task.to_string(), ""),
    ];
    for (hop, queue) in (1..).zip(later) {
        rows.push((queue.as_str(), root.task(hop).to_string(), ""));
        // A route may lead past stages, and each hand-over counts once.
        for fewer in (1..hop).rev() {
            rows.push((
                queue.as_str(),
                root.task(fewer).to_string(),
                "if a route skipped stages",
            ));
        }
    }
    let end = root.notification().to_string();
    rows.push(("(end)", end, "on the notifier's queue, and the event's id"));
    let width = rows
        .iter()
        .map(|(queue, ..)| queue.len())
        .max()
        .unwrap_or_default();
    let lines: Vec<String> = rows
        .iter()
        .map(|(queue, id, note)| {
            format!("{queue:width$}  {id}  {note}")
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_one_name_for_each_number_of_hand_overs() {
        let first = "projects/p/locations/l/queues/q".parse().unwrap();
        let later = ["q-2".parse().unwrap(), "q-3".parse().unwrap()];
        let task = "order-1".parse().unwrap();
        // The ids are those of the test of `RootId`.
        assert_eq!(
            table(&first, &later, &task),
            "\
QUEUE  TASK ID
q      order-1
q-2    1b0eda1f4158d054372a1f289222c73e-1
q-3    TWO
q-3    1b0eda1f4158d054372a1f289222c73e-1  if a route skipped stages
(end)  069c5c32ae1dfbd970023b1fc5b290cd-end  on the notifier's queue, and the event's id"
                .replace(
                    "TWO",
                    RootId::of(&first.task(task.clone())).task(2).as_str()
                )
        );
    }
}
