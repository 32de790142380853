//! What the page says of it.

/// For the page.
pub const ABOUT: &str = "\
What 1, 10, 100 and 1,000 chains cost, of four stages each, beside an operator that does the same job in Go: [bench/peer-go](../bench/peer-go),
written for this with controller-runtime, as its documentation and the usual advice have it. Each has each number of chains in a fresh place of
its own. A location holds 1,000 queues, so 1,000 chains are in five locations.

The peer makes the same queues with the same settings, one Deployment and one Service for each stage by server-side apply, a finalizer, and a
status with `Ready` and `observedGeneration`; it holds a Lease, and reconciles each chain anew every five minutes. Its settings:

| | |
|---|---|
| rounds at once | 64, as ours has by default |
| client-side limit of requests | none: the API server has priority and fairness for that |
| cache | shared informers; managed fields are left out, objects of others by a label selector, and reads are not copied |
| what starts a round | a chain's generation, a Deployment's generation or readiness, a Service, a queue that changed |
| queues | one list of each location every 5 s, as ours, kept, and compared with the last; a round reads what is kept, and asks nothing |
| writes | only where the cache differs from what is wanted, or a hash of that from the one written; none twice while the cache lags |
| Go | its own defaults: two cores, the garbage collector as it is |

It lacks what a chain's safety needs in an edit (gates, drains, the order of hand-overs, drift told before it is put right) and Events, and so has
less to do. Both may make 1,000 calls a second to Cloud Tasks, which neither wants to: by default ours makes 50, and then what has to be made
for 1,000 chains takes as long as their queues need at that pace. Nobody runs pods: the bench writes the Deployments' status, as their
controller would, on the same two cores.

- **Cold start**: all chains were created before, and nothing else is there. From the process' start until a watch in the bench has seen each chain
  `Ready`. Then every queue, Deployment and Service is looked at, whether it is as it should be. Requests are all that the API server counts
  meanwhile, with those of the bench, which are the same for both.
- **Start after edits**: all is there; while there is no operator a rate of each chain is edited. From the process' start until each chain is
  `Ready` with its new generation. Then all is looked at again.
- **Edit in force**: as in [edits](#edits), one after the other, each 20 to 80 ms after the last is in force.
- **Drift put right**: somebody else sets a queue's rate, at a random moment within 5 s; from the answer until the rate is again the chain's.
- **Memory**: resident, when nothing has happened for a while after the cold start. **Idle**: time on the processor and calls to Cloud Tasks, for as
  long as nobody touches anything; calls are counted by a proxy, and stand for each location that has chains.

A slope is the exponent with which a figure grows with the number of chains. A share is ours by the peer's.
";
