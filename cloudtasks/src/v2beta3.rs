//! The one call of `google.cloud.tasks.v2beta3` that `v2` lacks, with the fields that this project reads.
//! The crates of `v2beta3` compile all of its messages, and gcloud-sdk has `v2` alone.

use prost_types::{FieldMask, Timestamp};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::transport::Transport;

const LIST_QUEUES: &str = "/google.cloud.tasks.v2beta3.CloudTasks/ListQueues";

/// `ListQueuesRequest`, without `filter = 2`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListQueuesRequest {
    #[prost(string, tag = "1")]
    pub(crate) parent: String,
    #[prost(int32, tag = "3")]
    pub(crate) page_size: i32,
    #[prost(string, tag = "4")]
    pub(crate) page_token: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) read_mask: Option<FieldMask>,
}

/// `ListQueuesResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListQueuesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) queues: Vec<Queue>,
    #[prost(string, tag = "2")]
    pub(crate) next_page_token: String,
}

/// `Queue`, as far as [`read_mask`] names it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Queue {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "12")]
    pub(crate) stats: Option<QueueStats>,
}

/// `QueueStats`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct QueueStats {
    #[prost(int64, tag = "1")]
    pub(crate) tasks_count: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) oldest_estimated_arrival_time: Option<Timestamp>,
    #[prost(int64, tag = "3")]
    pub(crate) executed_last_minute_count: i64,
    #[prost(int64, tag = "4")]
    pub(crate) concurrent_dispatches_count: i64,
    #[prost(double, tag = "5")]
    pub(crate) effective_execution_rate: f64,
}

/// Without a mask everything is returned except the numbers.
pub(crate) fn read_mask() -> FieldMask {
    FieldMask {
        paths: vec!["name".to_owned(), "stats".to_owned()],
    }
}

/// `ListQueues`, one page.
pub(crate) async fn list_queues(
    transport: Transport,
    request: Request<ListQueuesRequest>,
) -> Result<Response<ListQueuesResponse>, Status> {
    let mut grpc = Grpc::new(transport);
    grpc.ready()
        .await
        .map_err(|error| Status::unknown(format!("the channel is not ready: {error}")))?;
    let path = PathAndQuery::from_static(LIST_QUEUES);
    grpc.unary(request, path, ProstCodec::default()).await
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::convert::queue_stats;

    /// A field whose value is bytes, text, or a message: each is shorter than 128 bytes.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).unwrap();
        [&[number << 3 | 2, length], value].concat()
    }

    #[test]
    fn a_request_is_written_as_the_proto_numbers_its_fields() {
        let request = ListQueuesRequest {
            parent: "projects/p/locations/l".into(),
            page_size: 1000,
            page_token: "next".into(),
            read_mask: Some(read_mask()),
        };
        let mask = [field(1, b"name"), field(1, b"stats")].concat();
        let bytes = [
            field(1, b"projects/p/locations/l"),
            vec![3 << 3, 0xe8, 0x07],
            field(4, b"next"),
            field(5, &mask),
        ];
        assert_eq!(request.encode_to_vec(), bytes.concat());
    }

    #[test]
    fn a_response_is_read_as_the_proto_numbers_its_fields() {
        let rate = [&[5 << 3 | 1][..], &2.5_f64.to_le_bytes()].concat();
        let stats = [
            vec![1 << 3, 0x96, 0x01],
            field(2, &[1 << 3, 0xe8, 0x07, 2 << 3, 5]),
            vec![3 << 3, 7],
            vec![4 << 3, 3],
            rate,
        ];
        let incoming = [
            field(1, b"projects/p/locations/l/queues/a"),
            // The state, which the mask doesn't name.
            vec![4 << 3, 1],
            field(12, &stats.concat()),
        ];
        let idle = [field(1, b"projects/p/locations/l/queues/b"), field(12, b"")];
        let silent = field(1, b"projects/p/locations/l/queues/c");
        let bytes = [
            field(1, &incoming.concat()),
            field(1, &idle.concat()),
            field(1, &silent),
            field(2, b"next"),
        ];
        let response = ListQueuesResponse::decode(bytes.concat().as_slice()).unwrap();
        assert_eq!(response.next_page_token, "next");
        let queues: Result<Vec<_>, _> = response.queues.iter().map(queue_stats).collect();
        let queues = queues.unwrap();
        let ids: Vec<&str> = queues.iter().map(|(path, _)| path.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let stats: Vec<_> = queues.into_iter().map(|(_, stats)| stats).collect();
        let filled = crate::QueueStats {
            tasks: 150,
            oldest: jiff::Timestamp::new(1000, 5).ok(),
            executed_last_minute: 7,
            in_flight: 3,
            effective_rate: 2.5,
        };
        let empty = crate::QueueStats {
            tasks: 0,
            oldest: None,
            executed_last_minute: 0,
            in_flight: 0,
            effective_rate: 0.0,
        };
        assert_eq!(stats, [Some(filled), Some(empty), None]);
    }
}
