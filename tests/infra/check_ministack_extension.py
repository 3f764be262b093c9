"""Our MiniStack extension, run by the emulator's own Python (`make test-infra`): unittest only."""

import asyncio
import json
import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "stack" / "emulator"))

import ministack_extension as extension  # type: ignore[import-not-found]

extension.install()

import hypercorn.config  # type: ignore[import-not-found]  # noqa: E402
from ministack.core import container_reaper  # type: ignore[import-not-found]  # noqa: E402
from ministack.services import (  # type: ignore[import-not-found]  # noqa: E402
    apigateway,
    ec2,
    ecs,
    rds,
)


def gateway(method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """A call of API Gateway's control plane."""
    data = json.dumps(body).encode() if body is not None else b""
    status, _, answer = asyncio.run(apigateway.handle_request(method, path, {}, data, {}))
    return status, json.loads(answer) if answer else None


class VpcLinks(unittest.TestCase):
    """Made, found, used by an integration, and not deleted under it."""

    def setUp(self) -> None:
        apigateway.reset()

    def test_link_is_found_as_it_was_made(self) -> None:
        status, made = gateway("POST", "/v2/vpclinks", {"name": "l", "subnetIds": ["s"]})

        assert status == 201
        assert gateway("GET", f"/v2/vpclinks/{made['vpcLinkId']}") == (200, made)

    def test_unknown_link_is_not_found(self) -> None:
        assert gateway("GET", "/v2/vpclinks/none")[0] == 404

    def test_integration_keeps_its_link_and_the_link_its_life(self) -> None:
        _, link = gateway("POST", "/v2/vpclinks", {"name": "l"})
        _, api = gateway("POST", "/v2/apis", {"name": "a", "protocolType": "HTTP"})
        integrations = f"/v2/apis/{api['apiId']}/integrations"
        body = {
            "integrationType": "HTTP_PROXY",
            "connectionType": "VPC_LINK",
            "connectionId": link["vpcLinkId"],
            "integrationUri": "arn:listener",
        }

        status, made = gateway("POST", integrations, body)

        assert (status, made["connectionId"]) == (201, link["vpcLinkId"])
        assert gateway("DELETE", f"/v2/vpclinks/{link['vpcLinkId']}")[0] == 400

    def test_integration_with_an_unknown_link_is_refused(self) -> None:
        _, api = gateway("POST", "/v2/apis", {"name": "a", "protocolType": "HTTP"})
        body = {
            "integrationType": "HTTP_PROXY",
            "connectionType": "VPC_LINK",
            "connectionId": "none",
        }

        assert gateway("POST", f"/v2/apis/{api['apiId']}/integrations", body)[0] == 400

    def test_link_to_no_listener_is_unavailable(self) -> None:
        integration = {"connectionType": "VPC_LINK", "integrationUri": "arn:gone"}

        answer = asyncio.run(apigateway._invoke_http_proxy(integration, "/", "GET", {}, b"", {}))

        assert answer[0] == 503


class Limits(unittest.TestCase):
    """Answered as an HTTP API does."""

    def invoked(self, body: bytes = b"", answer: bytes = b"", seconds: float = 0.0) -> Any:
        async def original(*_: Any) -> tuple[int, dict[str, str], bytes]:
            await asyncio.sleep(seconds)
            return 200, {}, answer

        invoke = extension.within_limits_of_gateway(original)
        integration = {"timeoutInMillis": 100}
        status, _, content = asyncio.run(invoke(integration, "/", "POST", {}, body, {}))
        return status, content

    def test_request_and_answer_are_10_mb_at_most(self) -> None:
        largest = bytes(10 * 1024 * 1024)

        assert self.invoked(largest, largest) == (200, largest)
        assert self.invoked(largest + b"x") == (413, b'{"message":"Request Entity Too Large"}')
        assert self.invoked(b"", largest + b"x") == (500, b'{"message":"Internal Server Error"}')

    def test_integration_has_its_own_time(self) -> None:
        assert self.invoked(seconds=1) == (503, b'{"message":"Service Unavailable"}')

    def test_function_is_sent_6_mb_at_most(self) -> None:
        execute = extension.with_small_events(lambda _, event: {"body": event["body"]})
        small, large = "x" * 6_000_000, "x" * 6_300_000

        assert execute({}, {"routeKey": "POST /leads", "body": small}) == {"body": small}
        assert execute({}, {"routeKey": "POST /leads", "body": large})["body"]["statusCode"] == 413
        assert execute({}, {"Records": [], "body": large}) == {"body": large}

    def test_function_answers_6_mb_at_most(self) -> None:
        to_response = extension.with_small_answers(lambda result: (result, None))
        small, large = ({"statusCode": 200, "body": "x" * n} for n in (6_000_000, 6_300_000))

        assert to_response(small) == (small, None)
        assert to_response(large)[0]["statusCode"] == 500


class Containers(unittest.TestCase):
    """Read-only as the task definition says, on loopback, and only our own."""

    def test_root_is_read_only_when_the_task_says_so(self) -> None:
        for read_only in (True, False):
            container = {"name": "c", "image": "i", "readonlyRootFilesystem": read_only}
            kwargs = ecs._build_run_kwargs(
                container, {}, {}, {}, None, False, "0123456789", "arn", None, "arn"
            )
            assert kwargs["read_only"] == read_only

    def test_database_is_published_on_loopback_only(self) -> None:
        seen: dict[str, Any] = {}

        class Client:
            class containers:  # noqa: N801 - Docker's name
                @staticmethod
                def run(**kwargs: Any) -> None:
                    seen.update(kwargs)

        rds._run_rds_container(Client, "mysql", {"ports": {"3306/tcp": 15432}})

        assert seen["ports"] == {"3306/tcp": ("127.0.0.1", 15432)}

    def test_sweep_spares_containers_without_an_owner(self) -> None:
        queries: list[Any] = []

        class Client:
            class containers:  # noqa: N801 - Docker's name
                @staticmethod
                def list(**kwargs: Any) -> list[Any]:
                    queries.append(kwargs["filters"]["label"])
                    return []

        container_reaper.reap_all(Client, include_unlabelled=True)

        assert len(queries) == 1
        assert "ministack.instance" in queries[0][0]


class Bridge(unittest.TestCase):
    """Tasks reach the emulator on Docker's bridge, and no other machine does."""

    def setUp(self) -> None:
        patch = mock.patch.object(extension, "bridge_address", return_value="172.17.0.1")
        patch.start()
        self.addCleanup(patch.stop)

    def test_it_listens_on_loopback_and_on_the_bridge(self) -> None:
        config = hypercorn.config.Config()

        config.bind = ["127.0.0.1:4566"]

        assert config.bind == ["127.0.0.1:4566", "172.17.0.1:4566"]

    def test_task_is_told_where_the_emulator_is(self) -> None:
        variables: dict[str, str] = {"TRACE": "false"}
        container = {"name": "c", "image": "i"}

        ecs._register_metadata("arn", "arn", {}, container, "FARGATE", variables, False, None)

        assert variables["AWS_ENDPOINT_URL"].startswith("http://172.17.0.1:")
        assert variables["AWS_ACCESS_KEY_ID"] == "test"
        assert variables["AWS_REGION"]


class ReadBack(unittest.TestCase):
    """What Terraform writes it must read again."""

    def test_rule_to_a_prefix_list(self) -> None:
        parameters = {
            "IpPermissions.1.IpProtocol": ["tcp"],
            "IpPermissions.1.FromPort": ["443"],
            "IpPermissions.1.ToPort": ["443"],
            "IpPermissions.1.PrefixListIds.1.PrefixListId": ["pl-1"],
            "IpPermissions.1.PrefixListIds.1.Description": ["S3"],
        }

        rule = ec2._parse_ip_permissions(parameters, "IpPermissions")[0]
        xml = ec2._sg_rule_xml("sg-1", rule, is_egress=True)

        assert "<prefixListId>pl-1</prefixListId>" in xml
        assert "<description>S3</description>" in xml
        assert "cidrIpv4" not in xml

    def test_policy_of_an_endpoint(self) -> None:
        parameters = {
            "VpcId": ["vpc-1"],
            "ServiceName": ["com.amazonaws.us-east-1.s3"],
            "VpcEndpointType": ["Gateway"],
            "PolicyDocument": ['{"Version": "2012-10-17"}'],
        }

        _, _, body = ec2._create_vpc_endpoint(parameters)

        endpoint = next(iter(ec2._vpc_endpoints.values()))
        assert "&quot;2012-10-17&quot;" in ec2._vpce_fields_xml(endpoint), body

    def test_role_interval_and_tags_of_a_flow_log(self) -> None:
        parameters = {
            "ResourceId.1": ["vpc-1"],
            "DeliverLogsPermissionArn": ["arn:role"],
            "TagSpecification.1.ResourceType": ["vpc-flow-log"],
            "TagSpecification.1.Tag.1.Key": ["Name"],
            "TagSpecification.1.Tag.1.Value": ["refused"],
        }

        ec2._create_flow_logs(parameters)

        _, _, body = ec2._describe_flow_logs({})

        assert b"<deliverLogsPermissionArn>arn:role</deliverLogsPermissionArn>" in body
        assert b"<maxAggregationInterval>600</maxAggregationInterval>" in body
        assert b"<value>refused</value>" in body


class Alarms(unittest.TestCase):
    """Told as they were put, or every plan would change them."""

    def test_alarm_on_a_percentile_has_no_other_statistic(self) -> None:
        xml = extension.alarm_xml({"Statistic": "Average", "ExtendedStatistic": "p99"})

        assert "<ExtendedStatistic>p99</ExtendedStatistic>" in xml
        assert "<Statistic>" not in xml

    def test_alarm_on_a_plain_statistic_has_that(self) -> None:
        assert "<Statistic>Sum</Statistic>" in extension.alarm_xml({"Statistic": "Sum"})


if __name__ == "__main__":
    unittest.main()
