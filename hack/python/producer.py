"""Puts one task into a queue with Google's own client: a producer that does not know chains.

Arguments: host:port, project, location, queue, task id.
"""

import sys

import grpc
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

host, project, location, queue, task = sys.argv[1:]
transport = CloudTasksGrpcTransport(channel=grpc.insecure_channel(host))
client = tasks_v2.CloudTasksClient(transport=transport)
parent = client.queue_path(project, location, queue)
created = client.create_task(
    parent=parent,
    task=tasks_v2.Task(
        name=client.task_path(project, location, queue, task),
        http_request=tasks_v2.HttpRequest(
            http_method=tasks_v2.HttpMethod.PUT,
            url="https://producer.example.com/orders/7?a=1&b=%20x",
            headers={"Content-Type": "application/x-order", "X-Customer": "acme"},
            body=bytes(range(256)),
        ),
    ),
)
print(created.name)
