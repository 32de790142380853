//! The client. Each call has a timeout, sets the routing header that Google's gRPC needs, and
//! classifies its errors.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use tonic::{Code, Request, Response, Status};

use crate::connect::Endpoint;
use crate::convert;
use crate::error::Error;
use crate::names::{LocationPath, QueuePath, TaskPath};
use crate::proto;
use crate::proto::cloud_tasks_client::CloudTasksClient;
use crate::queue::{Queue, QueueSettings};
use crate::transport::Transport;
use crate::v2beta3;
use crate::values::{
    CreateOutcome, NewTask, PageToken, QueueStats, TaskInfo, TaskPage, TaskState, WholeTask,
};

/// The timeout of one call. A worker makes several within the rest of a dispatch deadline; Google
/// answers in well under a second.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer. A page of 1,000 tasks has up to 80 KB of headers each; tonic's own limit is 4 MiB.
const ANSWER_BYTES: usize = 128 << 20;
/// The API's limit.
const PAGE_SIZE: i32 = 1000;

/// Calls a method, and names the resource of errors and the field of the routing header.
macro_rules! call {
    ($client:ident.$method:ident($request:expr), $resource:expr, $field:literal = $route:expr) => {
        $client
            .call(
                $resource,
                route($field, $route),
                $request,
                |transport, request| async move {
                    let client = CloudTasksClient::new(transport);
                    let mut client = client.max_decoding_message_size(ANSWER_BYTES);
                    client.$method(request).await
                },
            )
            .await
    };
}

/// A client of Cloud Tasks. Clones share one HTTP/2 connection, which reconnects automatically.
#[derive(Clone)]
pub struct CloudTasks {
    transport: Transport,
}

impl std::fmt::Debug for CloudTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudTasks").finish_non_exhaustive()
    }
}

impl CloudTasks {
    /// Connects; fails if nothing answers.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, Error> {
        let transport = tokio::time::timeout(CALL_TIMEOUT, endpoint.connect())
            .await
            .map_err(|_| Error::TimedOut {
                resource: "the connection".into(),
                after: CALL_TIMEOUT,
            })??;
        Ok(Self { transport })
    }

    /// `GetQueue`.
    pub async fn get_queue(&self, path: &QueuePath) -> Result<Queue, Error> {
        let name = path.to_string();
        let request = proto::GetQueueRequest { name };
        let queue = call!(self.get_queue(request), path, "name" = path)?;
        convert::queue(queue)
    }

    /// `ListQueues`, all pages.
    pub async fn list_queues(&self, parent: &LocationPath) -> Result<Vec<Queue>, Error> {
        let mut queues = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = proto::ListQueuesRequest {
                parent: parent.to_string(),
                page_size: PAGE_SIZE,
                page_token,
                ..Default::default()
            };
            let page = call!(self.list_queues(request), parent, "parent" = parent)?;
            for queue in page.queues {
                queues.push(convert::queue(queue)?);
            }
            if page.next_page_token.is_empty() {
                return Ok(queues);
            }
            page_token = page.next_page_token;
        }
    }

    /// `ListQueues` of `v2beta3`, all pages: the live numbers of each queue, `None` for a queue that
    /// Cloud Tasks returns none for. `v2` has no such numbers.
    pub async fn list_queue_stats(
        &self,
        parent: &LocationPath,
    ) -> Result<Vec<(QueuePath, Option<QueueStats>)>, Error> {
        let mut queues = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v2beta3::ListQueuesRequest {
                parent: parent.to_string(),
                page_size: PAGE_SIZE,
                page_token,
                read_mask: Some(v2beta3::read_mask()),
            };
            let route = route("parent", parent);
            let page = self
                .call(parent, route, request, v2beta3::list_queues)
                .await?;
            for queue in page.queues {
                queues.push(convert::queue_stats(&queue)?);
            }
            if page.next_page_token.is_empty() {
                return Ok(queues);
            }
            page_token = page.next_page_token;
        }
    }

    /// `CreateQueue` with what `settings` sets; the other fields get Cloud Tasks' defaults.
    pub async fn create_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        let request = proto::CreateQueueRequest {
            parent: path.parent.to_string(),
            queue: Some(convert::queue_message(path, settings)),
        };
        let queue =
            call!(self.create_queue(request), path, "parent" = &path.parent).map_err(|error| {
                match error {
                    // The location is missing, not the queue.
                    Error::Missing { message, .. } => Error::Missing {
                        resource: path.parent.to_string(),
                        message,
                    },
                    other => other,
                }
            })?;
        convert::queue(queue)
    }

    /// `UpdateQueue` with a mask of what `settings` sets. It creates a missing queue: call
    /// [`get_queue`](Self::get_queue) first where that would be wrong.
    pub async fn update_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        let request = proto::UpdateQueueRequest {
            queue: Some(convert::queue_message(path, settings)),
            update_mask: Some(prost_types::FieldMask {
                paths: settings.mask().into_iter().map(str::to_owned).collect(),
            }),
        };
        let queue = call!(self.update_queue(request), path, "queue.name" = path)?;
        convert::queue(queue)
    }

    /// `PauseQueue`: dispatches in flight finish, no other starts. Idempotent.
    pub async fn pause_queue(&self, path: &QueuePath) -> Result<(), Error> {
        let name = path.to_string();
        let request = proto::PauseQueueRequest { name };
        call!(self.pause_queue(request), path, "name" = path).map(drop)
    }

    /// `ResumeQueue`. Idempotent.
    pub async fn resume_queue(&self, path: &QueuePath) -> Result<(), Error> {
        let name = path.to_string();
        let request = proto::ResumeQueueRequest { name };
        call!(self.resume_queue(request), path, "name" = path).map(drop)
    }

    /// `DeleteQueue`, with all its tasks. The name stays blocked for days.
    pub async fn delete_queue(&self, path: &QueuePath) -> Result<(), Error> {
        let name = path.to_string();
        let request = proto::DeleteQueueRequest { name };
        call!(self.delete_queue(request), path, "name" = path)
    }

    /// `CreateTask`. A name that is taken, now or until recently, is [`CreateOutcome::AlreadyExists`]: the
    /// work of an earlier create whose answer was lost.
    pub async fn create_task(
        &self,
        queue: &QueuePath,
        task: &NewTask,
    ) -> Result<CreateOutcome, Error> {
        let request = proto::CreateTaskRequest {
            parent: queue.to_string(),
            task: Some(convert::task_message(task)),
            ..Default::default()
        };
        let created = call!(self.create_task(request), queue, "parent" = queue);
        match created {
            Ok(_) => Ok(CreateOutcome::Created),
            Err(Error::Exists { .. }) => Ok(CreateOutcome::AlreadyExists),
            Err(error) => Err(error),
        }
    }

    /// `GetTask`. Only the text of `NOT_FOUND` tells a finished task from an unknown one; any other
    /// text counts as unknown.
    pub async fn get_task(&self, path: &TaskPath) -> Result<TaskState, Error> {
        let request = proto::GetTaskRequest {
            name: path.to_string(),
            ..Default::default()
        };
        let found = call!(self.get_task(request), path, "name" = path);
        match found {
            Ok(task) => convert::task_info(&task).map(|task| TaskState::Exists(Box::new(task))),
            Err(Error::Missing { message, .. }) if message.contains("existed recently") => {
                Ok(TaskState::Ended)
            }
            Err(Error::Missing { .. }) => Ok(TaskState::Unknown),
            Err(error) => Err(error),
        }
    }

    /// `GetTask` with the body, which takes the permission `cloudtasks.tasks.fullView`. `None` if no such
    /// task waits.
    pub async fn get_whole_task(&self, path: &TaskPath) -> Result<Option<WholeTask>, Error> {
        let request = proto::GetTaskRequest {
            name: path.to_string(),
            response_view: proto::task::View::Full as i32,
        };
        match call!(self.get_task(request), path, "name" = path) {
            Ok(task) => convert::whole_task(&task).map(Some),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `DeleteTask`. A task that doesn't exist is deleted.
    pub async fn delete_task(&self, path: &TaskPath) -> Result<(), Error> {
        let name = path.to_string();
        let request = proto::DeleteTaskRequest { name };
        match call!(self.delete_task(request), path, "name" = path) {
            Ok(()) | Err(Error::Missing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `ListTasks`: one page of at most 1,000 tasks, without their bodies.
    pub async fn list_tasks_page(
        &self,
        queue: &QueuePath,
        from: Option<&PageToken>,
    ) -> Result<TaskPage, Error> {
        let request = proto::ListTasksRequest {
            parent: queue.to_string(),
            page_size: PAGE_SIZE,
            page_token: from.map(|token| token.0.clone()).unwrap_or_default(),
            ..Default::default()
        };
        let page = call!(self.list_tasks(request), queue, "parent" = queue)?;
        // One after another, so that the page isn't in memory twice.
        let tasks = page.tasks.into_iter();
        let tasks: Result<_, _> = tasks.map(|task| convert::task_info(&task)).collect();
        let next = page.next_page_token;
        Ok(TaskPage {
            tasks: tasks?,
            next: (!next.is_empty()).then_some(PageToken(next)),
        })
    }

    /// `ListTasks`: at most `limit` tasks of the queue, in no order.
    pub async fn list_tasks(
        &self,
        queue: &QueuePath,
        limit: usize,
    ) -> Result<Vec<TaskInfo>, Error> {
        let mut tasks = Vec::new();
        let mut page_token = String::new();
        loop {
            let left = i32::try_from(limit - tasks.len())
                .unwrap_or(PAGE_SIZE)
                .min(PAGE_SIZE);
            let request = proto::ListTasksRequest {
                parent: queue.to_string(),
                page_size: left,
                page_token,
                ..Default::default()
            };
            let page = call!(self.list_tasks(request), queue, "parent" = queue)?;
            for task in page.tasks {
                tasks.push(convert::task_info(&task)?);
            }
            if page.next_page_token.is_empty() || tasks.len() >= limit {
                return Ok(tasks);
            }
            page_token = page.next_page_token;
        }
    }

    async fn call<Req, Res, Sent>(
        &self,
        resource: &impl Display,
        route: String,
        message: Req,
        send: impl FnOnce(Transport, Request<Req>) -> Sent,
    ) -> Result<Res, Error>
    where
        Sent: Future<Output = Result<Response<Res>, Status>>,
    {
        let mut request = Request::new(message);
        let route = route
            .parse()
            .expect("resource names are ASCII without control characters");
        request
            .metadata_mut()
            .insert("x-goog-request-params", route);
        // Boxed: tonic's future has kilobytes, and each that contains it would move them.
        let answer = Box::pin(send(self.transport.clone(), request));
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(classify(resource, &status)),
            Err(_) => Err(Error::TimedOut {
                resource: resource.to_string(),
                after: CALL_TIMEOUT,
            }),
        }
    }
}

/// The routing header's value: <https://google.aip.dev/4222>.
fn route(field: &str, path: &impl Display) -> String {
    let value = path.to_string().replace('/', "%2F").replace(':', "%3A");
    format!("{field}={value}")
}

fn classify(resource: &impl Display, status: &Status) -> Error {
    let resource = resource.to_string();
    let message = status.message().to_owned();
    match status.code() {
        Code::NotFound => Error::Missing { resource, message },
        Code::AlreadyExists => Error::Exists { resource },
        Code::FailedPrecondition if message.contains("existed too recently") => {
            Error::ExistedTooRecently { resource }
        }
        Code::InvalidArgument | Code::OutOfRange => Error::Refused { resource, message },
        Code::FailedPrecondition => Error::NotNow { resource, message },
        Code::Unimplemented => Error::Unimplemented { resource, message },
        Code::PermissionDenied | Code::Unauthenticated => Error::Forbidden { resource, message },
        Code::ResourceExhausted => Error::Quota { resource, message },
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Error::Away {
            message: format!("{:?}: {message}", status.code()),
        },
    }
}
