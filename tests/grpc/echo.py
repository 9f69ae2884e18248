"""A gRPC service and its client, without generated code: `server` prints its port, `client PORT` prints what it saw as JSON."""

import json
import queue
import sys
from concurrent import futures

import grpc

SERVICE = "t.Echo"


def unary(request, context):
    context.set_trailing_metadata((("x-trailer", "of unary"),))
    return request


def fail(request, context):
    context.set_trailing_metadata((("x-trailer", "of fail"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "told in trailers")


def stream(requests, context):
    for request in requests:
        yield request


def server():
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
    }
    running = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    print(port, flush=True)
    running.wait_for_termination()


def client(port):
    seen = {}
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer, call = channel.unary_unary(f"/{SERVICE}/Unary").with_call(b"x" * 200_000, timeout=20)
        seen["unary"] = [len(answer), dict(call.trailing_metadata()).get("x-trailer")]
        try:
            channel.unary_unary(f"/{SERVICE}/Fail")(b"", timeout=20)
        except grpc.RpcError as error:
            seen["fail"] = [error.code().name, error.details(), dict(error.trailing_metadata()).get("x-trailer")]
        seen["stream"] = ping_pong(channel)
    print(json.dumps(seen))


def ping_pong(channel):
    """Each message waits for the answer to the one before: both directions flow at once."""
    pending = queue.Queue()
    pending.put(b"0")

    def requests():
        for _ in range(5):
            yield pending.get(timeout=20)

    answers = []
    for answer in channel.stream_stream(f"/{SERVICE}/Stream")(requests(), timeout=20):
        answers.append(answer.decode())
        pending.put(str(len(answers)).encode())
    return answers


if sys.argv[1] == "server":
    server()
else:
    client(sys.argv[2])
