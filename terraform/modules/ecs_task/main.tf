data "aws_region" "current" {}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
}

locals {
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })

  log_configuration = {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.this.name
      awslogs-region        = data.aws_region.current.id
      awslogs-stream-prefix = "task"
    }
  }

  environment = merge(var.environment, { TRACE = tostring(var.trace_daemon_image != null) })

  # Not essential: if the daemon stops, only traces are lost.
  trace_daemons = var.trace_daemon_image == null ? [] : [{
    name      = "${var.name}-trace-daemon"
    image     = var.trace_daemon_image
    essential = false

    # The other container sends traces by UDP; containers of a task share their loopback interface.
    portMappings = [{ containerPort = 2000, hostPort = 2000, protocol = "udp" }]

    readonlyRootFilesystem = true
    logConfiguration       = local.log_configuration
  }]

  repository_statements = var.repository_arn == null ? [] : [
    {
      Sid      = "PullImage"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = [var.repository_arn]
    },
    {
      # IAM knows no resource for this action.
      Sid      = "SignInToRegistry"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"]
    },
  ]
}

# The permissions that ECS needs to start a container.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = local.assume_role_policy
}

resource "aws_iam_role_policy" "execution" {
  name = "start-container"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
        },
        {
          Sid      = "ReadSecret"
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue"]
          Resource = [var.secret_arn]
        },
      ],
      local.repository_statements,
    )
  })
}

# The permissions of the application: none, except to send traces, call functions, keep files and what it is given.
resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  assume_role_policy = local.assume_role_policy
}

resource "aws_iam_role_policy" "traces" {
  for_each = toset(var.trace_daemon_image == null ? [] : ["send-traces"])

  name = each.key
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      # IAM knows no resource for these actions.
      Sid      = "SendTraces"
      Effect   = "Allow"
      Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      Resource = ["*"]
    }]
  })
}

resource "aws_iam_role_policy" "functions" {
  for_each = toset(length(var.invoke_function_arns) == 0 ? [] : ["call-functions"])

  name = each.key
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "InvokeFunctions"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = var.invoke_function_arns
    }]
  })
}

resource "aws_iam_role_policy" "files" {
  for_each = toset(length(var.file_arns) == 0 ? [] : ["keep-files"])

  name = each.key
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "KeepFiles"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      Resource = var.file_arns
    }]
  })
}

resource "aws_iam_role_policy" "permissions" {
  for_each = toset(length(var.permissions) == 0 ? [] : ["permissions"])

  name = each.key
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for permission in var.permissions : merge(
        { Sid = permission.sid, Effect = "Allow", Action = permission.actions, Resource = permission.resources },
        permission.condition == null ? {} : { Condition = permission.condition },
      )
    ]
  })
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu_units)
  memory                   = tostring(var.memory_mebibytes)
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  dynamic "volume" {
    for_each = toset(var.scratch_folder == null ? [] : ["scratch"])

    content {
      name = volume.key
    }
  }

  container_definitions = jsonencode(concat([merge({
    name      = var.name
    image     = var.image
    essential = true

    portMappings = var.server == null ? [] : [{ containerPort = var.server.port, hostPort = var.server.port, protocol = "tcp" }]
    environment  = [for key, value in local.environment : { name = key, value = value }]
    secrets      = [for key, field in var.secret_fields : { name = key, valueFrom = "${var.secret_arn}:${field}::" }]

    readonlyRootFilesystem = true
    stopTimeout            = var.stop_timeout_seconds

    logConfiguration = local.log_configuration
    },
    var.command == null ? {} : { command = var.command },
    var.scratch_folder == null ? {} : {
      mountPoints = [{ sourceVolume = "scratch", containerPath = var.scratch_folder, readOnly = false }]
    },
    var.server == null ? {} : {
      healthCheck = {
        command     = var.server.health_command
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 15
      }
    },
  )], local.trace_daemons))
}
