"""A stock Python gRPC client: code generated from the proto files, nothing of ours.

usage: python_client.py ADDRESS PROTO_DIR GENERATED_DIR MODEL_DIR DATA_FILE OUTPUT_DIR

Uploads a model folder and a data file, creates the job twice (the second call must return the first job), watches it to the end,
downloads the result into OUTPUT_DIR, and prints one JSON object that the test judges.
"""
import hashlib
import json
import pathlib
import sys

import grpc
from grpc_tools import protoc

CHUNK_BYTES = 1 << 20
PROTOS = ["artifact_service", "job", "job_service", "server_service"]


def generate(proto_dir, generated_dir):
    pathlib.Path(generated_dir).mkdir(parents=True, exist_ok=True)
    include = str(pathlib.Path(protoc.__file__).parent / "_proto")
    arguments = ["protoc", f"-I{proto_dir}", f"-I{include}", f"--python_out={generated_dir}", f"--grpc_python_out={generated_dir}"]
    if protoc.main(arguments + [f"kprune/v1/{name}.proto" for name in PROTOS]) != 0:
        sys.exit("protoc refused the proto files")
    sys.path.insert(0, generated_dir)


def main():
    address, proto_dir, generated_dir, model_dir, data_file, output_dir = sys.argv[1:]
    generate(proto_dir, generated_dir)
    from kprune.v1 import artifact_service_pb2 as artifact_pb
    from kprune.v1 import artifact_service_pb2_grpc as artifact_grpc
    from kprune.v1 import job_pb2 as job_pb
    from kprune.v1 import job_service_pb2 as job_service_pb
    from kprune.v1 import job_service_pb2_grpc as job_service_grpc
    from kprune.v1 import server_service_pb2 as server_pb
    from kprune.v1 import server_service_pb2_grpc as server_grpc

    def upload_requests(digest, data):
        yield artifact_pb.UploadRequest(header=artifact_pb.UploadRequest.Header(sha256=digest, size=len(data), offset=0))
        for begin in range(0, len(data), CHUNK_BYTES):
            yield artifact_pb.UploadRequest(chunk=data[begin:begin + CHUNK_BYTES])

    def upload(name, path):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if artifacts.FindMissing(artifact_pb.FindMissingRequest(sha256=[digest]), timeout=60).sha256:
            reply = artifacts.Upload(upload_requests(digest, data), timeout=60)
            assert (reply.sha256, reply.size) == (digest, len(data)), reply
        return job_pb.File(name=name, sha256=digest, size=len(data))

    def download(file):
        chunks = artifacts.Download(artifact_pb.DownloadRequest(sha256=file.sha256, offset=0), timeout=60)
        data = b"".join(reply.chunk for reply in chunks)
        assert hashlib.sha256(data).hexdigest() == file.sha256, file.name
        path = pathlib.Path(output_dir, file.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    with grpc.insecure_channel(address) as channel:
        artifacts = artifact_grpc.ArtifactServiceStub(channel)
        jobs = job_service_grpc.JobServiceStub(channel)
        info = server_grpc.ServerServiceStub(channel).GetServerInfo(server_pb.GetServerInfoRequest(), timeout=60)

        folder = pathlib.Path(model_dir)
        model = [upload(str(path.relative_to(folder)), path) for path in sorted(folder.rglob("*")) if path.is_file()]
        data = [upload(pathlib.Path(data_file).name, pathlib.Path(data_file))]
        spec = job_pb.JobSpec(model=model, data=data, options=job_pb.Options(keep_flops=[0.5]))
        request = job_service_pb.CreateJobRequest(spec=spec, request_id="python-client")
        job = jobs.CreateJob(request, timeout=60)
        again = jobs.CreateJob(request, timeout=60)
        events = list(jobs.WatchJob(job_service_pb.WatchJobRequest(name=job.name), timeout=180))
        job = jobs.GetJob(job_service_pb.GetJobRequest(name=job.name), timeout=60)
        for file in job.result:
            download(file)

    print(json.dumps({
        "families": list(info.families),
        "name": job.name,
        "name_again": again.name,
        "state": job_pb.JobState.Name(job.state),
        "error": job.error.message,
        "sequences": [event.sequence for event in events],
        "sublayers": [event.sublayer.index for event in events if event.WhichOneof("event") == "sublayer"],
        "last_state": job_pb.JobState.Name(events[-1].state_changed.state),
        "result": sorted(file.name for file in job.result),
    }))


if __name__ == "__main__":
    main()
