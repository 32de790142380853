"""Puts tasks into a queue with Google's own client, at a steady rate, until its input ends.

Arguments: host:port, project, location, queue, tasks a second. Prints the id of each task that Cloud
Tasks has confirmed; what it has not confirmed is asked for again under the same id.
"""

import select
import sys
import time

import grpc
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

host, project, location, queue, rate = sys.argv[1:]
transport = CloudTasksGrpcTransport(channel=grpc.insecure_channel(host))
client = tasks_v2.CloudTasksClient(transport=transport)
parent = client.queue_path(project, location, queue)
pause = 1 / float(rate)
number = 0
due = time.monotonic()
while True:
    due += pause
    if select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
        break
    task = tasks_v2.Task(
        name=client.task_path(project, location, queue, f"e2e-{number}"),
        http_request=tasks_v2.HttpRequest(
            url=f"https://producer.example.com/orders/{number}",
            headers={"Content-Type": "application/json"},
            body=b'{"order": %d}' % number,
        ),
    )
    try:
        client.create_task(parent=parent, task=task)
    except exceptions.AlreadyExists:
        pass
    except exceptions.GoogleAPICallError:
        continue
    print(number, flush=True)
    number += 1
