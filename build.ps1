<#
.SYNOPSIS
Builds, tests and measures the solution. A thin wrapper: every command is one dotnet call that
can be typed by hand.
.EXAMPLE
./build.ps1            # build
./build.ps1 test       # build and run every test
./build.ps1 demo       # the main job: train and translate
./build.ps1 bench      # BenchmarkDotNet; further arguments are passed on
./build.ps1 native     # the CUDA kernels alone: PTX and the emulated device
./build.ps1 gpu-suite  # one archive that proves and measures them on a GPU host
#>
param(
    [Parameter(Position = 0)]
    [ValidateSet('build', 'test', 'demo', 'verify', 'bench', 'native', 'pack',
        'gpu-suite', 'clean')]
    [string] $Command = 'build',

    [Parameter(Position = 1, ValueFromRemainingArguments = $true)]
    [string[]] $Rest = @()
)

$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot

switch ($Command) {
    'build'  { dotnet build Transformer.sln -c Release @Rest }
    'test'   { dotnet test Transformer.sln -c Release @Rest }
    'demo'   { dotnet run -c Release --project src/Transformer.Cli -- demo @Rest }
    'verify' { dotnet run -c Release --project src/Transformer.Cli -- verify @Rest }
    'bench'  { dotnet run -c Release --project benchmarks/Transformer.Benchmarks -- @Rest }
    'native' { dotnet msbuild native/native.proj @Rest }
    'gpu-suite' { dotnet msbuild benchmarks/gpu-suite/gpu-suite.proj @Rest }
    'pack'   { dotnet pack Transformer.sln -c Release -o artifacts @Rest }
    'clean'  { dotnet clean Transformer.sln -c Release @Rest }
}

exit $LASTEXITCODE
