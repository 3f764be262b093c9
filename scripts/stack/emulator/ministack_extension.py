"""Start MiniStack with the few features that this project's Terraform needs and MiniStack lacks.

This process patches MiniStack's modules in memory; the installed package does not change. Each
section says why it exists. If another version of MiniStack lacks a patched name, the start fails
and tells the name.
"""

import asyncio
import json
import os
import secrets
import sys
import urllib.parse
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from html import escape
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import docker
import hypercorn.config
from ministack.core import container_reaper
from ministack.core.responses import AccountRegionScopedDict, StreamingResponse, get_region
from ministack.services import alb, apigateway, cloudwatch, ec2, ecs, lambda_svc, rds

# Started as a file, with Python's standard library and MiniStack alone.
sys.path.append(str(Path(__file__).parents[3]))
from scripts import gateway_limits
from scripts.gateway_limits import (
    ANSWER_TOO_LARGE,
    REQUEST_TOO_LARGE,
    TOOK_TOO_LONG,
    Refusal,
)

Response = tuple[int, dict[str, str], Any]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Response]]

links = AccountRegionScopedDict()


def replace(module: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace `module.name` by `make(original)`, also in the module's action table."""
    if not hasattr(module, name):
        sys.exit(
            f"ministack_extension: {module.__name__}.{name} is missing; "
            "this extension is written for the version in requirements.txt"
        )
    original = getattr(module, name)
    wrapped = make(original)
    setattr(module, name, wrapped)
    table = getattr(module, "_ACTION_MAP", {})
    for action, function in list(table.items()):
        if function is original:
            table[action] = wrapped


# --- API Gateway: VPC links, which MiniStack lacks. The gateway reaches the load balancer by one.


def vpc_link_request(method: str, link_id: str | None, data: dict[str, Any]) -> Response:
    """Answer the VPC link operations that Terraform uses."""
    if link_id is None and method == "POST":
        link = {
            "vpcLinkId": secrets.token_hex(4),
            "name": data.get("name", ""),
            "subnetIds": data.get("subnetIds", []),
            "securityGroupIds": data.get("securityGroupIds", []),
            "tags": data.get("tags", {}),
            "createdDate": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "vpcLinkStatus": "AVAILABLE",
            "vpcLinkVersion": "V2",
        }
        links[link["vpcLinkId"]] = link
        return answer(link, 201)
    if link_id is None:
        return answer({"items": list(links.values())})
    link = links.get(link_id)
    if link is None:
        return refusal("NotFoundException", f"Invalid VpcLink identifier specified {link_id}", 404)
    if method == "PATCH":
        link["name"] = data.get("name", link["name"])
    if method != "DELETE":
        return answer(link)
    integrations = [i for of_api in apigateway._integrations.values() for i in of_api.values()]
    if any(integration.get("connectionId") == link_id for integration in integrations):
        return refusal("BadRequestException", "VpcLink is in use by an integration", 400)
    del links[link_id]
    return 202, {}, b""


def answer(body: dict[str, Any], status: int = 200) -> Response:
    response: Response = apigateway._apigw_response(body, status)
    return response


def refusal(code: str, message: str, status: int) -> Response:
    response: Response = apigateway._apigw_error(code, message, status)
    return response


def with_vpc_links(original: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] != ["v2", "vpclinks"]:
            return await original(method, path, headers, body, query)
        data = json.loads(body) if body else {}
        return vpc_link_request(method, parts[2] if len(parts) > 2 else None, data)

    return handle_request


def keep_connection(status: int) -> Callable[[Any], Any]:
    """Add the connection of the request to the integration that `original` answers."""

    def make(original: Any) -> Any:
        def save_integration(api_id: str, *arguments: Any) -> Response:
            data = arguments[-1]
            if data.get("connectionType") == "VPC_LINK" and data.get("connectionId") not in links:
                return refusal("BadRequestException", "Invalid VpcLink", 400)
            response: Response = original(api_id, *arguments)
            if response[0] != status or not data.get("connectionId"):
                return response
            integration_id = json.loads(response[2])["integrationId"]
            integration = apigateway._integrations[api_id][integration_id]
            integration["connectionId"] = data["connectionId"]
            return answer(integration, status)

        return save_integration

    return make


def request_ids(integration: dict[str, Any]) -> dict[str, str]:
    """The headers that the integration sets to the id of the request, the only mapping we use."""
    return {
        name.removeprefix("overwrite:header."): secrets.token_hex(8)
        for name, value in (integration.get("requestParameters") or {}).items()
        if value == "$context.requestId"
    }


def invoke_through_load_balancer(original: Any) -> Any:
    async def invoke(  # noqa: PLR0917 - MiniStack's signature
        integration: dict[str, Any],
        path: str,
        method: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> Response:
        if integration.get("connectionType") != "VPC_LINK":
            response: Response = await original(integration, path, method, headers, body, query)
            return response
        listener = alb._listeners.get(integration.get("integrationUri", ""))
        balancer = alb._lbs.get(listener["LoadBalancerArn"]) if listener else None
        if balancer is None:
            return 503, {"Content-Type": "application/json"}, b'{"message":"Service Unavailable"}'
        return await read_body(
            await alb.dispatch_request(
                balancer,
                method,
                path,
                {k: v for k, v in headers.items() if k.lower() not in HOP_HEADERS}
                | request_ids(integration),
                body,
                query or {},
                port=listener["Port"],
                raw_query_string=urllib.parse.urlencode(query or {}, doseq=True),
                raw_path=urllib.parse.quote(path, safe="/:@!$&'()*+,;=-._~%"),
            )
        )

    return invoke


HOP_HEADERS = {"connection", "content-length", "keep-alive", "transfer-encoding"}


async def read_body(response: Response) -> Response:
    """The response with its whole body: the load balancer streams, but the gateway needs bytes."""
    status, headers, body = response
    if isinstance(body, StreamingResponse):
        chunks: list[bytes] = []

        async def send(message: dict[str, Any]) -> None:
            if message.get("type") == "http.response.body":
                chunks.append(message.get("body", b""))

        async def receive() -> None:
            await asyncio.Event().wait()  # the caller never disconnects

        await body.runner(send, receive)
        body = b"".join(chunks)
    return status, {k: v for k, v in headers.items() if k.lower() not in HOP_HEADERS}, body


# --- API Gateway and Lambda: their limits of size and time, which MiniStack has not.


def limit_response(refusal: Refusal) -> Response:
    return refusal.status, dict(gateway_limits.HEADERS), refusal.body


def within_limits_of_gateway(original: Any) -> Any:
    """For an integration: bodies of 10 MB, and the time that Terraform gave it."""

    async def invoke(integration: dict[str, Any], *arguments: Any, **named: Any) -> Response:
        body = next((each for each in arguments if isinstance(each, bytes)), b"")
        if len(body) > gateway_limits.MAX_BODY_BYTES:
            return limit_response(REQUEST_TOO_LARGE)
        seconds = integration.get("timeoutInMillis", 30_000) / 1000
        answer: Response | None = await gateway_limits.in_time(
            original(integration, *arguments, **named), seconds
        )
        if answer is None:
            return limit_response(TOOK_TOO_LONG)
        is_over = len(answer[2] or b"") > gateway_limits.MAX_BODY_BYTES
        return limit_response(ANSWER_TOO_LARGE) if is_over else answer

    return invoke


def refused_by_lambda(refusal: Refusal) -> dict[str, Any]:
    return {
        "statusCode": refusal.status,
        "headers": dict(gateway_limits.HEADERS),
        "body": refusal.body.decode(),
    }


def with_small_events(original: Any) -> Any:
    """The events of an HTTP API, up to what Lambda takes."""

    def execute(function: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        if "routeKey" in event and gateway_limits.is_over_payload(event):
            return {"error": True, "body": refused_by_lambda(REQUEST_TOO_LARGE)}
        result: dict[str, Any] = original(function, event)
        return result

    return execute


def with_small_answers(original: Any) -> Any:
    """The answers of a function to a gateway, up to what Lambda hands back."""

    def to_response(result: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
        answer, error = original(result)
        if answer is not None and gateway_limits.is_over_payload(answer):
            return refused_by_lambda(ANSWER_TOO_LARGE), None
        return answer, error

    return to_response


# --- EC2: fields that Terraform writes and reads again. Without them every plan shows a change.


def store_endpoint_fields(original: Any) -> Any:
    def create_vpc_endpoint(parameters: Any) -> Response:
        before = set(ec2._vpc_endpoints)
        response: Response = original(parameters)
        for endpoint_id in set(ec2._vpc_endpoints) - before:
            endpoint = ec2._vpc_endpoints[endpoint_id]
            endpoint["_groups"] = ec2._parse_member_list(parameters, "SecurityGroupId")
            endpoint["PolicyDocument"] = ec2._p(parameters, "PolicyDocument")
            endpoint["_private_dns"] = ec2._p(parameters, "PrivateDnsEnabled", "true").lower()
        return response

    return create_vpc_endpoint


def show_endpoint_fields(original: Any) -> Any:
    def endpoint_xml(endpoint: dict[str, Any], tag: str = "item") -> str:
        xml: str = original(endpoint, tag)
        if endpoint.get("VpcEndpointType") != "Interface":
            policy = escape(endpoint.get("PolicyDocument") or "")
            end = xml.rfind(f"</{tag}>")
            return f"{xml[:end]}<policyDocument>{policy}</policyDocument>{xml[end:]}"
        groups = "".join(
            f"<item><groupId>{escape(g)}</groupId></item>" for g in endpoint.get("_groups", [])
        )
        end = xml.rfind(f"</{tag}>")
        private_dns = endpoint.get("_private_dns", "true")
        return (
            f"{xml[:end]}<groupSet>{groups}</groupSet>"
            f"<privateDnsEnabled>{private_dns}</privateDnsEnabled>{xml[end:]}"
        )

    return endpoint_xml


def store_prefix_lists(original: Any) -> Any:
    def parse_ip_permissions(parameters: Any, prefix: str) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = original(parameters, prefix)
        for number, rule in enumerate(rules, 1):
            prefix_list = ec2._p(parameters, f"{prefix}.{number}.PrefixListIds.1.PrefixListId")
            if prefix_list:
                description = f"{prefix}.{number}.PrefixListIds.1.Description"
                rule["PrefixListIds"] = [
                    {
                        "PrefixListId": prefix_list,
                        "Description": ec2._p(parameters, description) or "",
                    }
                ]
        return rules

    return parse_ip_permissions


def show_prefix_lists(original: Any) -> Any:
    def rule_xml(group: str, rule: dict[str, Any], is_egress: bool = False) -> str:
        if not rule.get("PrefixListIds"):
            unchanged: str = original(group, rule, is_egress=is_egress)
            return unchanged
        prefix_list = rule["PrefixListIds"][0]
        as_range = {
            **rule,
            "SecurityGroupRuleId": ec2._sg_rule_id(group, is_egress, rule),
            "IpRanges": [{"CidrIp": "-", "Description": prefix_list["Description"]}],
            "PrefixListIds": [],
        }
        xml: str = original(group, as_range, is_egress=is_egress)
        element = f"<prefixListId>{escape(prefix_list['PrefixListId'])}</prefixListId>"
        return xml.replace("<cidrIpv4>-</cidrIpv4>", element)

    return rule_xml


def tag_egress_rules(original: Any) -> Any:
    def authorize_egress(parameters: Any) -> Response:
        response: Response = original(parameters)
        tags = ec2._sg_rule_tag_specifications(parameters)
        if response[0] == 200 and tags:
            group = ec2._p(parameters, "GroupId")
            for rule in ec2._parse_ip_permissions(parameters, "IpPermissions"):
                ec2._tags.setdefault(ec2._sg_rule_id(group, True, rule), list(tags))
        return response

    return authorize_egress


def store_flow_log_fields(original: Any) -> Any:
    def create_flow_logs(parameters: Any) -> Response:
        before = set(ec2._flow_logs)
        response: Response = original(parameters)
        for flow_log_id in set(ec2._flow_logs) - before:
            ec2._flow_logs[flow_log_id]["_role"] = ec2._p(parameters, "DeliverLogsPermissionArn")
            # MiniStack looks for tags of a "flow-log", which AWS does not know.
            ec2._parse_tag_specs(parameters, "vpc-flow-log", flow_log_id)
        return response

    return create_flow_logs


def show_flow_log_fields(original: Any) -> Any:
    def describe_flow_logs(parameters: Any) -> Response:
        status, headers, body = original(parameters)
        text = body.decode() if isinstance(body, bytes) else body
        for flow_log_id, flow_log in ec2._flow_logs.items():
            mark = f"<flowLogId>{flow_log_id}</flowLogId>"
            role = f"<deliverLogsPermissionArn>{flow_log['_role']}</deliverLogsPermissionArn>"
            seconds = "<maxAggregationInterval>600</maxAggregationInterval>"
            text = text.replace(mark, mark + role + seconds)
        return status, headers, text.encode()

    return describe_flow_logs


# --- CloudWatch: DescribeAlarms answers only half of an alarm's fields. The reason is the same.


def show_whole_alarms(original: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        status, answer_headers, content = await original(method, path, headers, body, query)
        text = content.decode() if isinstance(content, bytes) else content
        if not isinstance(text, str) or "<DescribeAlarmsResult>" not in text:
            return status, answer_headers, content
        for name, alarm in cloudwatch._alarms.items():
            mark = f"<member><AlarmName>{name}</AlarmName>"
            text = text.replace(mark, mark + alarm_xml(alarm))
        return status, answer_headers, text.encode()

    return handle_request


def alarm_xml(alarm: dict[str, Any]) -> str:
    dimensions = "".join(
        f"<member><Name>{escape(d['Name'])}</Name><Value>{escape(d['Value'])}</Value></member>"
        for d in alarm.get("Dimensions") or []
    )
    actions = ""
    for key in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        members = "".join(f"<member>{escape(arn)}</member>" for arn in alarm.get(key) or [])
        actions += f"<{key}>{members}</{key}>"
    # An alarm has either of the two; MiniStack adds the Average to an alarm on a percentile.
    statistic = "ExtendedStatistic" if alarm.get("ExtendedStatistic") else "Statistic"
    optional = "".join(
        f"<{key}>{escape(str(alarm[key]))}</{key}>"
        for key in (statistic, "Unit", "AlarmDescription")
        if alarm.get(key)
    )
    return (
        f"<ActionsEnabled>{str(alarm.get('ActionsEnabled', True)).lower()}</ActionsEnabled>"
        f"<Period>{alarm.get('Period', 60)}</Period><Dimensions>{dimensions}</Dimensions>"
        f"{actions}{optional}"
        f"<TreatMissingData>{alarm.get('TreatMissingData', 'missing')}</TreatMissingData>"
    )


# --- ECS: one more field that Terraform reads again, and the task definition's read-only root.


def store_zone_rebalancing(original: Any) -> Any:
    def create_service(data: dict[str, Any]) -> Response:
        response: Response = original(data)
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        service = ecs._services.get(f"{cluster}/{data.get('serviceName')}")
        if response[0] == 200 and service is not None:
            service["availabilityZoneRebalancing"] = data.get(
                "availabilityZoneRebalancing", "DISABLED"
            )
        return response

    return create_service


def with_read_only_root(original: Any) -> Any:
    """Start a container as its definition says; MiniStack makes every root file system writable."""

    def build_run_kwargs(container: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        kwargs: dict[str, Any] = original(container, *arguments)
        kwargs["read_only"] = bool(container.get("readonlyRootFilesystem"))
        return kwargs

    return build_run_kwargs


# --- ECS: tasks that reach the emulator. MiniStack listens on loopback only, and names itself to
# tasks by a host that only Docker Desktop knows. Docker's bridge has an address that this machine
# and its containers reach, and other machines do not.


@cache
def bridge_address() -> str:
    """This machine's address on the network of the tasks."""
    network = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]
    # Docker takes the first address, and older versions do not name it.
    address: str = network.get("Gateway") or str(ip_network(network["Subnet"])[1])
    return address


def listen_on_the_bridge(original: Any) -> Any:
    def bind(config: Any) -> list[str]:
        loopback: list[str] = original.bind.fget(config)
        port = loopback[0].rpartition(":")[2]
        return [*loopback, f"{bridge_address()}:{port}"]

    return type("Config", (original,), {"bind": property(bind, original.bind.fset)})


def tell_tasks_the_bridge(original: Any) -> Any:
    def register_metadata(*arguments: Any) -> str:
        *others, _unknown_address = arguments
        token: str = original(*others, bridge_address())
        variables: dict[str, str] = arguments[5]
        variables |= {
            "AWS_REGION": get_region(),
            "AWS_DEFAULT_REGION": get_region(),
            # An AWS client fetches a role's credentials from AWS's own addresses only.
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        return token

    return register_metadata


# --- RDS: a database on loopback only, so that the network of a laptop cannot reach it; an image
# for machines without a registry; and one more field that Terraform reads again.


def publish_on_loopback(original: Any) -> Any:
    def run_container(
        client: Any, engine: str, kwargs: dict[str, Any], *rest: Any, **named: Any
    ) -> Any:
        ports = {inside: ("127.0.0.1", outside) for inside, outside in kwargs["ports"].items()}
        return original(client, engine, {**kwargs, "ports": ports}, *rest, **named)

    return run_container


def store_log_exports(original: Any) -> Any:
    def create_instance(parameters: Any) -> Response:
        response: Response = original(parameters)
        instance = rds._instances.get(rds._p(parameters, "DBInstanceIdentifier"))
        if instance is not None:
            instance["EnabledCloudwatchLogsExports"] = rds._parse_member_list(
                parameters, "EnableCloudwatchLogsExports"
            )
        return response

    return create_instance


def show_log_exports(original: Any) -> Any:
    def instance_xml(instance: dict[str, Any]) -> str:
        xml: str = original(instance)
        members = "".join(
            f"<member>{escape(name)}</member>"
            for name in instance.get("EnabledCloudwatchLogsExports") or []
        )
        tag = "EnabledCloudwatchLogsExports"
        return xml.replace(f"<{tag}/>", f"<{tag}>{members}</{tag}>")

    return instance_xml


def use_stand_in_image(original: Any) -> Any:
    def image_for_engine(*arguments: Any) -> Any:
        image, *others = original(*arguments)
        return (os.environ.get("STACK_POSTGRES_IMAGE") or image, *others)

    return image_for_engine


# --- At its start MiniStack also removes containers without a label, which may belong to others.


def keep_unlabelled(original: Any) -> Any:
    def reap_all(client: Any, stop_timeout: int = 2, include_unlabelled: bool = False) -> Any:
        return original(client, stop_timeout=stop_timeout, include_unlabelled=False)

    return reap_all


def clear_links(original: Any) -> Any:
    def reset() -> None:
        links.clear()
        original()

    return reset


def install() -> None:
    """Apply every patch."""
    replace(apigateway, "handle_request", with_vpc_links)
    replace(apigateway, "_create_integration", keep_connection(201))
    replace(apigateway, "_update_integration", keep_connection(200))
    replace(apigateway, "_invoke_http_proxy", invoke_through_load_balancer)
    replace(apigateway, "_invoke_http_proxy", within_limits_of_gateway)
    replace(apigateway, "_invoke_lambda_proxy", within_limits_of_gateway)
    replace(lambda_svc, "_execute_function_with_config_scope", with_small_events)
    replace(lambda_svc, "lambda_execute_result_to_api_proxy_response", with_small_answers)
    replace(apigateway, "reset", clear_links)
    replace(ec2, "_create_vpc_endpoint", store_endpoint_fields)
    replace(ec2, "_vpce_fields_xml", show_endpoint_fields)
    replace(ec2, "_parse_ip_permissions", store_prefix_lists)
    replace(ec2, "_sg_rule_xml", show_prefix_lists)
    replace(ec2, "_authorize_sg_egress", tag_egress_rules)
    replace(ec2, "_create_flow_logs", store_flow_log_fields)
    replace(ec2, "_describe_flow_logs", show_flow_log_fields)
    replace(cloudwatch, "handle_request", show_whole_alarms)
    replace(ecs, "_create_service", store_zone_rebalancing)
    replace(ecs, "_build_run_kwargs", with_read_only_root)
    replace(ecs, "_register_metadata", tell_tasks_the_bridge)
    replace(hypercorn.config, "Config", listen_on_the_bridge)
    replace(rds, "_run_rds_container", publish_on_loopback)
    replace(rds, "_docker_image_for_engine", use_stand_in_image)
    replace(rds, "_create_db_instance", store_log_exports)
    replace(rds, "_instance_xml", show_log_exports)
    replace(container_reaper, "reap_all", keep_unlabelled)


if __name__ == "__main__":
    install()
    from ministack.app import main

    sys.exit(main())
