"""Roles, keys and log groups."""

import json

from airgap.standin.aws_standin.types import Aws, Json, Type, given, offered, tag_list


@offered
class Role(Type):
    token, autoname, replaces = "aws:iam/role:Role", "name", ("name", "namePrefix", "path")

    def create(self, aws: Aws, new: Json) -> str:
        tags = tag_list({**aws.tags, **(new.get("tags") or {})})
        aws.iam.create_role(RoleName=new["name"], AssumeRolePolicyDocument=new["assumeRolePolicy"], Tags=tags)
        return str(new["name"])

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        aws.iam.update_assume_role_policy(RoleName=ident, PolicyDocument=new["assumeRolePolicy"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = aws.iam.get_role(RoleName=ident)["Role"]
        policy = json.dumps(found["AssumeRolePolicyDocument"])
        return {"name": ident, "arn": found["Arn"], "uniqueId": found["RoleId"], "assumeRolePolicy": policy}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.iam.delete_role(RoleName=ident)


@offered
class RolePolicyAttachment(Type):
    token, replaces = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", ("role", "policyArn")

    def create(self, aws: Aws, new: Json) -> str:
        aws.iam.attach_role_policy(RoleName=new["role"], PolicyArn=new["policyArn"])
        return f"{new['role']}/{new['policyArn']}"

    def read(self, aws: Aws, ident: str) -> Json | None:
        role, _, policy = ident.partition("/")
        attached = aws.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"role": role, "policyArn": policy} if any(p["PolicyArn"] == policy for p in attached) else None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.iam.detach_role_policy(RoleName=outputs["role"], PolicyArn=outputs["policyArn"])


@offered
class RolePolicy(Type):
    token, autoname, replaces = "aws:iam/rolePolicy:RolePolicy", "name", ("name", "role")

    def create(self, aws: Aws, new: Json) -> str:
        self.update(aws, "", {}, new)
        return f"{new['role']}:{new['name']}"

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        aws.iam.put_role_policy(RoleName=new["role"], PolicyName=new["name"], PolicyDocument=new["policy"])

    def read(self, aws: Aws, ident: str) -> Json | None:
        role, _, name = ident.partition(":")
        found = aws.iam.get_role_policy(RoleName=role, PolicyName=name)
        return {"role": role, "name": name, "policy": json.dumps(found["PolicyDocument"])}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.iam.delete_role_policy(RoleName=outputs["role"], PolicyName=outputs["name"])


@offered
class LogGroup(Type):
    token, autoname, replaces = "aws:cloudwatch/logGroup:LogGroup", "name", ("name", "namePrefix")

    def create(self, aws: Aws, new: Json) -> str:
        aws.logs.create_log_group(**given(logGroupName=new["name"], tags=aws.tags or None))
        self.update(aws, new["name"], {}, new)
        return str(new["name"])

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        if days := new.get("retentionInDays"):
            aws.logs.put_retention_policy(logGroupName=ident, retentionInDays=days)

    def read(self, aws: Aws, ident: str) -> Json | None:
        for found in aws.logs.describe_log_groups(logGroupNamePrefix=ident)["logGroups"]:
            if found["logGroupName"] == ident:
                arn = found["arn"].removesuffix(":*")
                return {"name": ident, "arn": arn, "retentionInDays": found.get("retentionInDays")}
        return None

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.logs.delete_log_group(logGroupName=ident)


def _key_tags(aws: Aws, new: Json) -> list[dict[str, str]]:
    tags = {**aws.tags, **(new.get("tags") or {})}
    return [{"TagKey": key, "TagValue": value} for key, value in sorted(tags.items())]


@offered
class Key(Type):
    token = "aws:kms/key:Key"
    replaces = ("customerMasterKeySpec", "keyUsage", "multiRegion")

    def create(self, aws: Aws, new: Json) -> str:
        made = aws.kms.create_key(**given(Description=new.get("description"), Tags=_key_tags(aws, new)))
        ident: str = made["KeyMetadata"]["KeyId"]
        self.update(aws, ident, {}, new)
        return ident

    def update(self, aws: Aws, ident: str, old: Json, new: Json) -> None:
        if new.get("enableKeyRotation"):
            aws.kms.enable_key_rotation(KeyId=ident)

    def read(self, aws: Aws, ident: str) -> Json | None:
        found = aws.kms.describe_key(KeyId=ident)["KeyMetadata"]
        if found["KeyState"] == "PendingDeletion":
            return None
        turned = aws.kms.get_key_rotation_status(KeyId=ident)["KeyRotationEnabled"]
        return {"arn": found["Arn"], "keyId": ident, "enableKeyRotation": turned}

    def delete(self, aws: Aws, ident: str, outputs: Json) -> None:
        aws.kms.schedule_key_deletion(KeyId=ident, PendingWindowInDays=outputs.get("deletionWindowInDays") or 30)
